"""ASGI and WSGI applications in the place of a handler: HTTP events in, HTTP responses out.

Imported only for a handler that is named as an application is, `module:attribute`. Arrows point down:

    application         from the name to a handler; ASGI or WSGI
    asgi, lifespan      an application on the event loop; its start and its end
    wsgi                an application that is called
    exchange            one response on its way, from status to last piece
    events              the event of a function URL, API Gateway or load balancer as a request
    responses           the result that each of them reads as a response
"""

"""As much of DynamoDB as the example asks for, on port 8000: `python dynamodb.py`."""

import json
from collections import Counter
from http.server import BaseHTTPRequestHandler, HTTPServer

visits = Counter()


class DynamoDB(BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        page = request["Key"]["page"]["S"]
        visits[page] += 1
        body = json.dumps({"Attributes": {"visits": {"N": str(visits[page])}}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", 8000), DynamoDB).serve_forever()

"""A FastAPI application: `CMD ["app:app"]`, no handler and no adapter."""

from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel


class Item(BaseModel):
    name: str
    price: float


@asynccontextmanager
async def lifespan(app):
    app.state.items = {}  # once for each execution environment, ahead of its first request
    yield


app = FastAPI(lifespan=lifespan)


@app.put("/items/{number}")
async def put(number: int, item: Item):
    app.state.items[number] = item
    return {"number": number, "price with tax": round(item.price * 1.2, 2)}


@app.get("/items/{number}")
async def get(number: int):
    if number not in app.state.items:
        raise HTTPException(404, f"there is no item {number}")
    return app.state.items[number]

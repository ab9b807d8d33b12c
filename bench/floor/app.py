"""The floor over HTTP: two routes, no authentication, no validation beyond JSON. FLOOR_DATABASE_URL says where it writes."""
from __future__ import annotations

import os

from flask import Flask, request

from . import sales

app = Flask(__name__)
database = sales.open_database(os.environ["FLOOR_DATABASE_URL"])
database.make_tables()


@app.post("/orders")
def place():
    return sales.place(database, request.get_json()), 201


@app.post("/notices")
def notice():
    return {"applied": sales.paid(database, request.get_json())}


@app.get("/healthz")
def healthy():
    return {"ok": True}

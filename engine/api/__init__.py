"""The interface for machines: `/v1` over HTTP. It reads requests, asks the story, and answers; it decides nothing.

One endpoint is one function under a decorator that says all there is to know about it (`endpoint.py`): the schemas that
requests are held to are the ones that the OpenAPI document and the docs page are made from.
"""

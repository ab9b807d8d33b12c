"""Run by `apart.py` in the environment of `bytedance.douyinpay`: each line of stdin is a question, each of stdout its answer.

    request   what the SDK's client sends for a call (it is stopped before the network) and what it makes of the answer
    verify    whether the SDK holds a request's signature for right
    parse     what the SDK makes of a notice
    handed    the certificates it takes from the platform's answer
"""
import json
import sys
import time

from bytedance.douyinpay import callback, certificates, config, http_client
from bytedance.douyinpay.crypto import rsa
from bytedance.douyinpay.formatter import build_request_sign_message


def request(merchant, method, path, tree=None, query=None, answer=None, **_):
    sent = {}

    def answered(call):
        sent.update(method=call.method, url=str(call.url), headers=dict(call.headers), body=call.content.decode())
        return http_client.httpx.Response(answer["status"], headers=answer["headers"], content=answer["body"].encode())

    client = http_client.httpx.Client(transport=http_client.httpx.MockTransport(answered))
    made = http_client.HttpClient(config.DouYinPayConfig(http_client=client, **merchant))
    try:
        said = {"data": made.request(method, path, json=tree, params=query).data}
    except Exception as error:
        said = {"error": f"{type(error).__name__}: {error}"}
    return {"sent": sent, **said}


def verify(public_key, method, target, timestamp, nonce, body, signature, **_):
    message = build_request_sign_message(method, target, timestamp, nonce, body)
    return rsa.rsa_verify(message, signature, rsa.load_rsa_public_key(public_key))


def parse(merchant, headers, body, **_):
    return callback.parse_callback(headers, body, encrypt_key=merchant["encrypt_key"], certs=merchant["certs"]).content


def handed(merchant, answer, **_):
    def answered(call):
        return http_client.httpx.Response(200, headers={"content-type": "application/json"}, content=answer.encode())

    client = http_client.httpx.Client(transport=http_client.httpx.MockTransport(answered))
    made = config.DouYinPayConfig(http_client=client, **merchant)
    found = certificates.download_platform_certificates(made, verify_response=False)
    return {each.serial_no: each.certificate for each in found}


for line in sys.stdin:
    question = json.loads(line)
    time.time = lambda: question["at"]
    try:
        reply = {"value": globals()[question["do"]](**question)}
    except Exception as problem:
        reply = {"error": f"{type(problem).__name__}: {problem}"}
    print(json.dumps(reply), flush=True)

"""A child for the supervisor's tests: answers /healthz with its process id, and misbehaves as its flags say."""
import argparse
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

options = argparse.ArgumentParser()
options.add_argument("port", type=int)
options.add_argument("--status", type=int, default=200)
options.add_argument("--deaf", action="store_true", help="ignore polite signals")
options.add_argument("--die", type=int, metavar="CODE", help="say so and end at once")
options.add_argument("--through-worker", action="store_true", help="let a child of its own hold the port")
args = options.parse_args()


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(args.status)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())

    def log_message(self, *_):
        pass


if args.die is not None:
    print("cannot go on")
    sys.exit(args.die)
if args.deaf:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
print(f"process {os.getpid()} begins")
if args.through_worker and os.fork():
    while True:
        time.sleep(60)
HTTPServer(("127.0.0.1", args.port), Answer).serve_forever()

"""Runs a supervisor over the parts given as JSON, as `serve` does: says UP when all are, stops on SIGINT or SIGTERM."""
import json
import signal
import sys

from engine.cli.process.supervisor import Part, StartFailed, Supervisor

parts = [Part(**fields) for fields in json.loads(sys.argv[1])]
with Supervisor(parts, "127.0.0.1") as supervisor:
    def handle(*_):
        if supervisor.stop_requested:
            supervisor.hurry()
        supervisor.request_stop()

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
    supervisor.start()
    try:
        if supervisor.wait_up(float(sys.argv[2])):
            print("UP", flush=True)
            supervisor.watch()
    except StartFailed as failure:
        print(failure, flush=True)
        sys.exit(1)

"""Becomes the command it is given, after asking Linux to end it when its parent dies.

Run as a script in between, because the wish must be made in the child itself and survives exec: a supervisor that is
killed outright leaves no server behind on its port.
"""
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(command):
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:             # it died before the wish was made
            sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])

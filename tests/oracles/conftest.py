"""Second opinions: SDKs that nobody here wrote verify what the engine signs, and sign what it must believe or refuse.

`npm` asks one of npm's SDKs through `ask.cjs`, one Node.js process for the whole run (`make setup-test` installs them):

    npm("alipay-sdk", "checkNotifySign", form, export="AlipaySdk", new=[{"appId": …}])
"""
from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

HERE = Path(__file__).resolve().parent
STAMP = HERE / "node_modules" / ".stamp"


class NpmError(Exception):
    """What the SDK threw, by its own words; `details` is the raw answer it refused, where it says."""

    def __init__(self, said: dict[str, Any]):
        super().__init__(said["error"])
        self.kind, self.details = said.get("kind", ""), said.get("details")


class Npm:
    def __init__(self) -> None:
        assert STAMP.exists(), "npm's SDKs are not installed: `make setup-test` does it"
        node = STAMP.read_text().split("\n")[1]
        self.process = subprocess.Popen([node, "ask.cjs"], cwd=HERE, text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, package: str, method: str = "", *arguments: Any, **how: Any) -> Any:
        """The method's result as JSON; NpmError for what it throws. `export` and `new` choose and make the object."""
        assert self.process.stdin and self.process.stdout
        question = {"use": package, "do": method, "with": arguments, **how}
        self.process.stdin.write(json.dumps(question) + "\n")
        said = json.loads(self.process.stdout.readline())
        if "error" in said:
            raise NpmError(said)
        return said["value"]

    def end(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


@pytest.fixture(scope="session")
def npm() -> Iterator[Callable[..., Any]]:
    asked = Npm()
    yield asked
    asked.end()

"""`run.py keys`: the API keys of clients: made, listed, revoked."""
from __future__ import annotations


def register(commands) -> None:
    from .roles import module_is_here

    if not module_is_here("engine.api.keys"):
        return
    keys = commands.add_parser("keys", help="API keys of clients: create, list, revoke")
    verbs = keys.add_subparsers(title="actions", metavar="<action>", required=True)
    create_command = verbs.add_parser("create", help="make a key; it is shown this once")
    create_command.add_argument("name", help="who it is for")
    create_command.add_argument("--scope", action="append", metavar="SCOPE", dest="scopes",
                                help="what it may do: sell, support, finance, ops (default: sell); may be repeated")
    create_command.add_argument("--scene", action="append", metavar="SCENE", dest="scenes",
                                help="a scene's id, or the beginning of ids with * (default: all); may be repeated")
    create_command.set_defaults(run=create)
    verbs.add_parser("list", help="every key, newest first, without its secret").set_defaults(run=list_keys)
    revoke_command = verbs.add_parser("revoke", help="stop a key from working")
    revoke_command.add_argument("id", help="the part of the key before the point")
    revoke_command.set_defaults(run=revoke)


def create(args) -> int:
    from ..api import keys
    from ..startup import open_store
    from .catalogue import login_name

    open_store()
    print(keys.create(args.name, args.scopes or ["sell"], args.scenes or ["*"], login_name()))
    return 0


def list_keys(args) -> int:
    from ..api import keys
    from ..base import clock
    from ..startup import open_store

    open_store()
    for key in keys.everything():
        state = f"revoked {clock.rfc3339(key['revoked_at_ms'])}" if key["revoked_at_ms"] else "in force"
        print(f"{key['id']}  {','.join(key['scopes']):<24}  {','.join(key['scenes']):<16}  {state:<32}  {key['name']}")
    return 0


def revoke(args) -> int:
    from ..api import keys
    from ..startup import open_store

    open_store()
    print(f"{args.id} works no longer" if keys.revoke(args.id) else f"{args.id} was revoked before")
    return 0

"""`run.py ledger`: prove the money, and look at accounts."""
from __future__ import annotations

import json


def register(commands) -> None:
    ledger = commands.add_parser("ledger", help="prove the money: `ledger verify`, `ledger balances`")
    actions = ledger.add_subparsers(title="actions", metavar="<action>", required=True)
    verify_command = actions.add_parser("verify", help="check every invariant of money; exit 1 when one is broken")
    verify_command.add_argument("--only", type=int, nargs="*", default=[], metavar="N", help="these invariants only")
    verify_command.add_argument("--json", action="store_true", help="one object on one line")
    verify_command.set_defaults(run=verify)
    actions.add_parser("balances", help="what every account holds").set_defaults(run=balances)


def verify(args) -> int:
    from .. import startup
    from ..audit import invariants

    startup.look()
    findings = invariants.verify(tuple(args.only))
    broken = [str(v) for finding in findings for v in finding.violations]
    if args.json:
        print(json.dumps({"checked": [f.invariant.number for f in findings], "violations": broken}, ensure_ascii=False))
        return 1 if broken else 0
    for finding in findings:
        state = f"BROKEN ({len(finding.violations)})" if finding.violations else "holds"
        print(f"{finding.invariant.number:>2}  {state:<12} {finding.took_s * 1000:7.0f} ms  {finding.invariant.sentence}")
        for violation in finding.violations:
            print(f"      {violation.subject}: {violation.message}")
    print(f"{len(broken)} violations" if broken else "every invariant holds")
    return 1 if broken else 0


def balances(args) -> int:
    from .. import store
    from ..base import money
    from ..ledger import chart

    store.open_all()
    for account, currency, total in store.query(
            store.trade, "SELECT account, currency, SUM(amount_minor) FROM ledger_posting GROUP BY account, currency "
                         "ORDER BY account, currency"):
        kind = chart.kind_of(account)
        print(f"{account:<44} {money.format_major(total, currency):>16} {currency}  {kind.side if kind else '?':<9} "
              f"{kind.zh if kind else ''}")
    return 0

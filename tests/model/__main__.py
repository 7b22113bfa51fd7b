"""Explore further than the tests do: ``python -m tests.model --states 200000``."""

from __future__ import annotations

import argparse
import time

from .explorer import Explorer, Model
from .invite import InviteModel
from .offer_answer import EarlyModel, OfferAnswerModel

MODELS: dict[str, Model] = {
    "INVITE, reordered": InviteModel(copies=0, losses=0),
    "INVITE, one loss": InviteModel(copies=0, losses=1),
    "INVITE, one copy": InviteModel(copies=1, losses=0),
    "INVITE, two losses and a copy": InviteModel(copies=1, losses=2),
    "UPDATE and UPDATE": OfferAnswerModel(("update",), ("update",)),
    "INVITE and INVITE": OfferAnswerModel(("reinvite",), ("reinvite",)),
    "UPDATE and INVITE": OfferAnswerModel(("update",), ("reinvite",)),
    "INVITE and INVITE without an offer": OfferAnswerModel(("reinvite",), ("offerless",)),
    "all, with a BYE": OfferAnswerModel(("update", "reinvite", "hang up"), ("update", "offerless")),
    "UPDATEs, 183, PRACK and 2xx": EarlyModel(("update",), ("update",)),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--states", type=int, default=50_000, metavar="N", help="stop each model after so many")
    options = parser.parse_args()
    for name, model in MODELS.items():
        explorer = Explorer(model)
        start = time.process_time()
        explorer.explore(1_000, limit=options.states)
        dead = explorer.dead()
        print(
            f"{name}: {len(explorer.states)} states, {explorer.transitions} transitions, depth {explorer.depth}"
            f"{', all there are' if explorer.is_complete else ''}, {time.process_time() - start:.0f} s"
        )
        if dead:
            raise SystemExit("no way to the end after\n  " + "\n  ".join(explorer.path(dead[0])))


if __name__ == "__main__":
    main()

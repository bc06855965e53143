"""The state diagram of an offer as Mermaid text, drawn from the table that the machine runs on. Pure.

`python -m mailgate.offers.diagram > docs/offer.md` writes the page anew; a test holds the page to the table.
"""

from __future__ import annotations

from collections import defaultdict

from mailgate.offers.table import AFTER_CALL_TARGETS, ENDED, IN_CALL, TRANSITIONS, Name, Rule, State

_HEAD = """\
# The offer's states

Drawn by `python -m mailgate.offers.diagram` from `TRANSITIONS` in `mailgate/offers/offer.py`; do not edit by hand.

What an event may do is told once in the table; every other pair of state and event is refused and changes nothing.
Events of Asterisk may skip states forward, since they may have come while the gateway was down; the diagram draws
only the next step of each. From every state of a call, its end leads to what "after the call" says; revoked and
expired are kept until then, a conversation under way is not cut.

```mermaid
stateDiagram-v2
    direction TB
    [*] --> {open}
"""

_ORDER = [state for state in State if state in IN_CALL and state is not State.UNSETTLED]


def page() -> str:
    """The whole page, ending with a line end."""
    lines = [_HEAD.format(open=_id(State.OPEN))]
    edges: dict[tuple[State, State], list[Name]] = defaultdict(list)
    for (state, name), target in TRANSITIONS.items():
        if isinstance(target, State) and _is_next(state, target):
            edges[state, target].append(name)
    for (state, target), names in edges.items():
        lines.append(f"    {_id(state)} --> {_id(target)}: {', '.join(n.value for n in names)}\n")
    after = sorted({state for (state, _), target in TRANSITIONS.items() if target is Rule.AFTER_CALL}, key=_position)
    lines.append('    state "after the call" as after_the_call\n')
    lines += [f"    {_id(state)} --> after_the_call: {Name.CALL_ENDED.value}\n" for state in after]
    lines += [f"    after_the_call --> {_id(target)}\n" for target in AFTER_CALL_TARGETS]
    lines += [f"    {_id(state)} --> [*]\n" for state in sorted(ENDED, key=_position)]
    lines.append("```\n\n| state | events that it takes |\n|---|---|\n")
    for state in State:
        taken = ", ".join(name.value for (at, name) in TRANSITIONS if at is state)
        lines.append(f"| {state.value} | {taken or 'none: it is an end'} |\n")
    return "".join(lines)


def _is_next(state: State, target: State) -> bool:
    """Whether the edge is drawn: within a call only steps to the next state, so that the picture can be read."""
    if state not in _ORDER or target not in _ORDER:
        return state is not State.UNSETTLED or target is State.CONNECTED
    return _ORDER.index(target) == _ORDER.index(state) + 1


def _position(state: State) -> int:
    return list(State).index(state)


def _id(state: State) -> str:
    return state.value.replace("-", "_")


if __name__ == "__main__":
    print(page(), end="")

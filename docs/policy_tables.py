"""Tables of the policies that come with the package, in Markdown, read from their cards."""

from collections.abc import Callable

from code_tables import code, listed, settings, table

from robo_maxent.from_json import typed
from robo_maxent.tasks import TASKS
from robo_maxent.training import pretrained
from robo_maxent.training.config import TrainConfig, preset


def cards() -> list[pretrained.Card]:
    """Cards of the policies of the package, in the order of their tasks."""
    every = map(pretrained.card, pretrained.names())
    return sorted(every, key=lambda card: list(TASKS).index(card.task))


def policies() -> str:
    """Policies of the package, one line each."""
    header = ("policy", "steps", "minutes, CPUs", "success", "while disturbed", "kB")
    return table(header, map(_policy_row, cards()))


def _policy_row(card: pretrained.Card) -> tuple[object, ...]:
    return (
        code(f"{pretrained.PREFIX}{card.name}"),
        f"{card.steps:,}",
        f"{card.minutes:g}, {card.machine}",
        card.nominal.success,
        card.stress.disturbed,
        f"{card.file.stat().st_size / 1000:.0f}",
    )


def policy_cards() -> str:
    """What the card of each policy says in words, and the commands that print its figures."""
    return "\n\n".join(map(_card, cards()))


def _card(card: pretrained.Card) -> str:
    usual = settings(preset(card.preset))
    trained = settings(typed(TrainConfig, card.train, "train"))
    changed = [f"{k} = {v}" for k, v in trained.items() if v != usual[k]]
    lines = [
        f"**{code(pretrained.PREFIX + card.name)}**: {card.stress.headline}",
        f"- Trained by {code(card.command)}: preset {code(card.preset)}, and {listed(changed)}; "
        f"robo_maxent {card.version}, {card.licence}.",
        f"- {_nominal(card.nominal)}",
        *(f"- {detail}" for detail in card.stress.details),
        f"- {card.stress.episodes:,} episodes, the baselines' too: {code(card.stress.command)}.",
    ]
    return "\n".join([lines[0], "", *lines[1:]])


def _nominal(judged: pretrained.Judged) -> str:
    metrics = ", ".join(f"{k} {v:.3f}" for k, v in judged.metrics.items() if v is not None)
    text = f"Nominal: {judged.success} ({metrics}): {code(judged.command)}."
    levels = [f"{level} {100 * share.share:.0f} %" for level, share in judged.by_level.items()]
    return f"{text} By level of the terrain: {', '.join(levels)}." if levels else text


TABLES: dict[str, Callable[[], str]] = {"pretrained": policies, "cards": policy_cards}

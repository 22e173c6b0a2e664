"""What a run lacks, found before its first job: people to pair, networks that score, programs of other methods."""

from collections.abc import Mapping

from thedit.config import Config
from thedit.errors import UserError
from thedit.evaluation import protocols
from thedit.methods import registry
from thedit.video import spec

GENERATED = "data/annyheads.yaml"  # the data set that the workflow makes itself
PAIRED = ("cross", "one-to-all")  # kinds of protocols in which one person drives another
TWO = 2


def check(config: Config) -> None:
    """`UserError` that names the option and the remedy if the run of ``config`` cannot be finished as things are."""
    from thedit.methods.external import External  # imports torch, which no job of a workflow needs to be started

    methods = {name: registry.find(name) for name in config.methods}
    counts = _people(config)
    if counts is not None:
        _check_people(config, counts, any(method.trained for method in methods.values()))
    for method in methods.values():
        if issubclass(method.load_class(), External):
            built = method.build(config.train.preset, config.data.preprocess.size)
            assert isinstance(built, External)
            built.check()
    if config.metrics.suite != "embedded" or config.metrics.backends:
        from thedit.metrics import suite

        suite.load(config.metrics.suite, config.metrics.backends)


def _people(config: Config) -> dict[str, int] | None:
    """How many people each split has; None where only preprocessing will tell."""
    if config.data.spec == GENERATED:
        return {"train": config.data.heads.train_people, "test": config.data.heads.test_people}
    described = spec.load(config.data.spec)
    if described.faces == "all":
        return None
    people: dict[str, set[str]] = {}
    for source in spec.collect(described, config.data.name).sources:
        people.setdefault(source.split, set()).add(source.person)
    return {split: len(names) for split, names in people.items()}


def _check_people(config: Config, counts: Mapping[str, int], trained: bool) -> None:
    own = config.data.spec != GENERATED
    if trained and counts.get("train", 0) < TWO:
        remedy = f"add people, or let fewer test in {config.data.spec}" if own else "raise data.heads.train_people"
        raise UserError(
            f"methods: training pairs two people, and split 'train' has {counts.get('train', 0)}; {remedy}."
        )
    for name in config.evaluation.protocols:
        protocol = protocols.find(name)
        wanted, there = TWO if protocol.kind in PAIRED else 1, counts.get(protocol.split, 0)
        if there < wanted:
            remedy = f"name people in split.test of {config.data.spec}" if own else "raise data.heads.test_people"
            raise UserError(
                f"evaluation.protocols: '{name}' needs {wanted} people of split '{protocol.split}', which has {there}; "
                f"{remedy}, or leave the protocol out."
            )

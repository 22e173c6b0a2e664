"""The card of the weights carries the header that model hubs read."""

from pathlib import Path

import yaml

CARD = Path(__file__).parents[1] / "data/pretrained/README.md"


def test_the_model_card_has_a_header_that_hubs_read():
    start, header, body = CARD.read_text().split("---\n", 2)
    facts = yaml.safe_load(header)
    assert start == "" and body.lstrip().startswith("# ")
    assert facts["license"] == "apache-2.0" and facts["datasets"] == ["AnnyHeads"]
    assert {"library_name", "pipeline_tag", "tags"} <= set(facts)

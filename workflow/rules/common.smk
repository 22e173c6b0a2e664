import functools
import math
import os
import shutil
import sys
from pathlib import Path
from typing import Callable, NamedTuple

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

from thedit import config as configuration
from thedit import config_text, layout, locks, processes, provenance, shipped
from thedit.config import digest
from thedit.errors import UserError
from thedit.files import tidy
from thedit.evaluation import early, protocols
from thedit.methods import registry
from thedit.video import spec as dataset

ENVIRONMENT = "../../environment.yml"
GENERATED = "data/annyheads.yaml"  # the data set that this workflow makes itself


@functools.cache
def given():
    """The user's files that the run starts from. Looked for once, and not by jobs that need none of them."""
    return dataset.collect(dataset.load(settings.data.spec), settings.data.name)


try:
    origin = ", ".join(map(os.path.relpath, workflow.configfiles))
    whole = configuration.complete(dict(config), origin)
    settings = configuration.parse(whole, configuration.Config, origin)
    specs = {name: registry.find(name) for name in settings.methods}
    for name in settings.evaluation.protocols:
        protocols.find(name)
    if settings.data.spec != GENERATED and workflow.is_main_process:
        given()
except UserError as error:
    raise WorkflowError(str(error)) from None
config.clear()
config.update(whole)
validate(config, "../schemas/config.schema.json")

DATA = str(layout.data(settings))
RUN = str(layout.run(settings))
CONFIG = f"{RUN}/config.yaml"

processes.lead()


# The configuration is no output of a rule: it changes with any option, but a rule reruns only for those that it names.
def begin():
    """Take the folders of the run and of its data for this process, and write what the run is made from."""
    try:
        locks.claim(RUN)
        locks.claim(DATA, shared=True, key=digest(settings.data))
        early.check(settings)
    except UserError as error:
        raise WorkflowError(str(error)) from None
    tidy(layout.run(settings))
    config_text.write(settings, CONFIG)


onstart:
    begin()


# The handler above is not called when another workflow uses this one as its module.
if workflow.is_main_process and not workflow.modifier.is_main_snakefile() and not workflow.dryrun:
    begin()


wildcard_constraints:
    method="|".join(settings.methods),
    protocol="|".join(settings.evaluation.protocols),
    part=r"\d+-of-\d+",


def get_final_output():
    """Everything that a finished run consists of."""
    wanted = [*rules.preprocess.output, *rules.aggregate.output, *rules.figures.output, *rules.page.output]
    if settings.metrics.validity:
        wanted += [*rules.preprocess_check.output, *rules.validity.output]
    return wanted + [f"{RUN}/structure/{name}.parquet" for name in settings.metrics.structure]


def sheet():
    """What preprocessing waits for: the sheet of the videos that this workflow makes, if the run is made from them."""
    return [f"{DATA}/sheet.csv"] * (settings.data.spec == GENERATED)


def videos(wildcards):
    """Changes with name, size and time of any of the user's files. As inputs, a million of them would slow every job."""
    if settings.data.spec == GENERATED:
        return ""
    return digest([[str(path), *stamp(path)] for source in given().sources for path in source.paths])


def stamp(path):
    """Size and time of a file; nothing if it is missing."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_size, status.st_mtime_ns


def code(*modules):
    """Changes with the source of the modules and of all that they import; made for those rules alone that have jobs."""
    return lambda wildcards: provenance.code_hash(*modules)


def method_code(wildcards):
    """Changes with the method's spec and the source of its class."""
    found = specs[wildcards.method]
    return digest([found.model_dump(), provenance.code_hash(found.module)])


def weights(wildcards):
    """The weights that a method needs, if it is trained at all."""
    return [f"{RUN}/methods/{wildcards.method}/weights.safetensors"] * specs[wildcards.method].trained


def all_weights():
    """The weights of all trained methods."""
    return [f"{RUN}/methods/{name}/weights.safetensors" for name in settings.methods if specs[name].trained]


def figure(name, label, category="Figures", caption=None):
    """A picture of the run that Snakemake's report shows with the caption report/<caption or stem of the name>.rst."""
    caption = f"../report/{caption or Path(name).stem}.rst"
    return report(
        f"{RUN}/figures/{name}",
        caption=caption,
        category=category,
        labels={"artefact": label},
    )

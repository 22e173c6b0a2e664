# What a job asks of the machine that it runs on, by the size of the run: megabytes, minutes, GPUs. Attempts after the
# first, which the profile slurm allows, ask for more: a job may have been killed for want of memory or time.
MARGIN = 3  # over what one core of an AMD EPYC takes
SECONDS = {"render": 0.3, "preprocess": 0.6, "predict": 0.5, "score": 0.8}  # a frame
TRAINING = {"tiny": 0.03, "small": 0.6, "paper": 5}  # seconds a pair, of a GPU in all presets but the first
GATHERED = 0.0002  # seconds a frame of which parts have done the work
MANY = 64  # threads of a rule that can use them; --cores and --max-threads say how many there are

# Clusters alone have a number of jobs (--jobs).
if workflow.is_main_process and workflow.resource_settings.nodes is None and "gpu" not in workflow.global_resources:
    # On this machine jobs take turns on its GPU; without one they share the cores alone. Nothing is asked of a machine
    # that only submits jobs: the nodes of its cluster have what they have.
    workflow.register_resource("gpu", int(shutil.which("nvidia-smi") is not None))


def memory(base, worker=0):
    """Megabytes: those of a command, and of each of its worker processes."""
    return lambda wildcards, threads, attempt: attempt * (base + worker * threads)


def minutes(kind, frames):
    """Minutes in which a job's threads do this ``kind`` of work on so many ``frames`` (a function without arguments)."""
    return lambda wildcards, threads, attempt: attempt * (10 + round(MARGIN * SECONDS[kind] * frames() / threads / 60))


class Stage(NamedTuple):
    """Work that several jobs can share (thedit/parts.py), by the numbers of its frames and of its units."""

    kind: str
    frames: Callable
    units: Callable
    threads: int = 1  # of a part

    def count(self):
        """How many parts it is divided into; 1: it is one job."""
        if settings.part_minutes is None:
            return 1
        seconds = SECONDS[self.kind] * self.frames() / self.threads
        return max(1, min(self.units(), math.ceil(seconds / settings.part_minutes / 60)))

    def parts(self, pattern, *others):
        """What the job that comes last waits for, as a function of its wildcards: its parts and ``others``, if any."""

        def made(wildcards):
            n = self.count()
            names = [f"{number}-of-{n}" for number in range(1, n + 1)]
            return [*others, *(pattern.format(part=name, **wildcards) for name in names)] if n > 1 else []

        return made

    def minutes(self, wildcards, threads, attempt):
        """Of the job that does all of it, or comes last."""
        shared = GATHERED * self.frames() if self.count() > 1 else SECONDS[self.kind] * self.frames() / threads
        return attempt * (10 + round(MARGIN * shared / 60))


def part_minutes(wildcards, attempt):
    """Of a part."""
    return attempt * (10 + round(MARGIN * settings.part_minutes))


def training_minutes(wildcards, attempt):
    """An attempt goes on from the checkpoint of the one before."""
    return attempt * (10 + round(MARGIN * TRAINING[settings.train.preset] * settings.train.images / 60))


def frames_rendered():
    """Frames of the data set that this workflow makes."""
    heads = settings.data.heads
    return (heads.train_people + heads.test_people) * heads.clips_per_person * heads.frames_per_clip


def frames_given():
    """Frames that preprocessing reads; of the user's videos, as if each had ten seconds."""
    return frames_rendered() if settings.data.spec == GENERATED else 250 * len(given().sources)


def frames_wanted():
    """Frames that a method makes of a protocol, about."""
    return settings.evaluation.max_clips * max(settings.evaluation.frames_per_pair, 30)


def people_rendered():
    """People of the data set that this workflow makes."""
    return settings.data.heads.train_people + settings.data.heads.test_people


def shards_given():
    """Shards that preprocessing makes, about."""
    return math.ceil(frames_given() / settings.data.preprocess.frames_per_shard)


def pairs_wanted():
    """Pairs of a protocol, about."""
    return settings.evaluation.max_clips


RENDER = Stage("render", frames_rendered, people_rendered, threads=4)
PREPROCESS = Stage("preprocess", frames_given, shards_given, threads=4)
PREDICT = Stage("predict", frames_wanted, pairs_wanted)
SCORE = Stage("score", frames_wanted, pairs_wanted)

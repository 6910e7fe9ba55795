"""Exports many long trajectories with Catena and with Harbor, and prints a table.

Each has 116 tool calls and about 85,000 tokens, the paper's averages. Harbor's
exporter makes a row of every prefix of a trajectory unless it is told `last`; it
is measured as `last`, one row a trajectory as Catena's, and on a few as `all`.

    export_costs.py CATENA DIR TRAJECTORIES
"""

import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time
import types

import forms

CALLS = 116
FEW = 10
PROFILES = ["canonical", "openai", "slime", "sharegpt", "trl", "verl", "atif"]
ENDINGS = {"verl": "parquet"}


def prose(dice, size):
    words = []
    while size > 0:
        words.append("".join(dice.choices("etaoinshrdlu", k=dice.randint(2, 9))))
        size -= len(words[-1]) + 1
    return " ".join(words)


def rollout(number):
    """A rollout in the canonical form."""
    dice = random.Random(number)
    made = forms.Rollout(f"long-{number:05}", dice)
    made.say({"role": "system", "content": prose(dice, 2000)})
    made.say({"role": "user", "content": prose(dice, 2000)})
    made.text = lambda: prose(dice, dice.choice([100, 200, 500, 1000, 2300]))
    for _ in range(CALLS):
        made.turn(1)
    made.turn(0)
    return made.line()


def make(catena, directory, count):
    path = directory / "made.jsonl"
    with open(path, "w", encoding="utf-8") as file:
        for number in range(count):
            file.write(rollout(number) + "\n")
    # Both begin with the same trajectories: Catena's ATIF is what Harbor exports.
    atif = directory / "atif.jsonl"
    run([catena, "export", path, "--profile", "atif", "--output", atif])
    result = {
        "config": {"agent": {"name": "terminus-2", "model_name": "made"}, "job_id": "made"},
        "started_at": "2026-01-01T00:00:00Z", "task_name": "made",
    }
    with open(atif, encoding="utf-8") as file:
        for number, line in enumerate(file):
            trial = directory / "trials" / f"trial-{number:05}"
            (trial / "agent").mkdir(parents=True)
            (trial / "agent/trajectory.json").write_text(line)
            (trial / "result.json").write_text(json.dumps({**result, "trial_name": trial.name}))
            if number < FEW:
                shutil.copytree(trial, directory / "few" / trial.name)
    atif.unlink()
    return path


def run(command):
    """Wall time in seconds and peak memory in MiB."""
    begin = time.monotonic()
    child = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"failed: {command}")
    return time.monotonic() - begin, used.ru_maxrss / 1024


def harbor(trials, episodes, output):
    """Run in a process of its own, to measure its memory."""
    factory = types.ModuleType("harbor.agents.factory")
    capable = types.SimpleNamespace(capabilities=types.SimpleNamespace(atif=True))
    factory.AgentFactory = types.SimpleNamespace(get_agent_class=lambda _: capable)
    sys.modules["harbor.agents.factory"] = factory
    (traces,) = forms.load_alone("harbor", "harbor.utils.traces_utils")
    rows = traces.export_traces(
        trials, episodes=episodes, export_subagents=False, use_rich_progress=False, chunk_size=50
    )
    rows.to_json(output)


def measure(catena, directory, count):
    directory = pathlib.Path(directory)
    source = make(catena, directory, count)
    size = source.stat().st_size
    print(f"{count} trajectories of {CALLS} calls, {size / 1e6:.0f} MB in the canonical form; load {load()}")
    print("| exporter | wall | peak memory | bytes to canonical |\n|---|---|---|---|")
    for profile in PROFILES:
        output = directory / f"out.{ENDINGS.get(profile, 'jsonl')}"
        seconds, memory = run([catena, "export", source, "--profile", profile, "--output", output])
        manifest = json.loads(pathlib.Path(f"{output}.manifest.json").read_text())
        # Parquet is compressed as it is written.
        report(f"catena {profile}", seconds, memory, manifest["files"][0]["bytes"] / size)
        output.unlink()
    for trials, episodes, part in [("trials", "last", 1), ("few", "all", FEW / count)]:
        output = directory / "harbor.jsonl"
        command = [sys.executable, __file__, "harbor", directory / trials, episodes, output]
        seconds, memory = run(command)
        report(f"harbor `{episodes}`, {round(count * part)}", seconds, memory, output.stat().st_size / size / part)
        output.unlink()
    # With ten times the trajectories nothing more is in memory.
    tenth = directory / "tenth.jsonl"
    with open(source, "rb") as lines, open(tenth, "wb") as file:
        for _ in range(count // 10):
            file.write(lines.readline())
    seconds, memory = run([catena, "export", tenth, "--profile", "openai", "--output", directory / "out.jsonl"])
    report(f"catena openai, {count // 10}", seconds, memory, (directory / "out.jsonl").stat().st_size / tenth.stat().st_size)
    shutil.rmtree(directory)


def report(name, seconds, memory, ratio):
    print(f"| {name} | {seconds:.1f} s | {memory:.0f} MiB | {ratio:.2f} |", flush=True)


def load():
    return pathlib.Path("/proc/loadavg").read_text().split()[0]


if __name__ == "__main__":
    if sys.argv[1] == "harbor":
        harbor(pathlib.Path(sys.argv[2]), sys.argv[3], sys.argv[4])
    else:
        measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))

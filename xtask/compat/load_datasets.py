"""Loads an exported JSONL file with the `datasets` library and prints figures.

Every turn of the assistant must be one that the export's manifest says a model
produced. With the directory of the run as second argument, each must also be,
word for word, a reply in the journal of its rollout.
"""

import collections
import json
import pathlib
import sys

import datasets


def main(export, run=None):
    rows = datasets.load_dataset("json", data_files=export, split="train")
    manifest = json.loads(pathlib.Path(export + ".manifest.json").read_text())
    if len(rows) != len(manifest["samples"]):
        sys.exit(f"{len(rows)} rows, but the manifest lists {len(manifest['samples'])}")
    replies = journaled_replies(run) if run else None
    roles = collections.Counter()
    for number, (row, sample) in enumerate(zip(rows, manifest["samples"]), start=1):
        roles.update(message["role"] for message in row["messages"])
        check_positions(number, row, sample)
        if replies is not None:
            check_words(number, row, replies[key(sample["rollout"])])
    print(f"datasets {datasets.__version__}: {len(rows)} rows, columns {rows.column_names}")
    print("turns: " + ", ".join(f"{role} {count}" for role, count in sorted(roles.items())))
    source = "the manifest and the journals" if run else "the manifest"
    print(f"all {roles['assistant']} turns of the assistant are the model's, by {source}")


def check_positions(number, row, sample):
    """The assistant's turns are exactly those the manifest calls trained."""
    turns = [at for at, message in enumerate(row["messages"]) if message["role"] == "assistant"]
    if turns != sample["trained"]:
        sys.exit(f"row {number}: turns {turns} are the assistant's, {sample['trained']} the model's")


def check_words(number, row, replies):
    """The assistant's turns are replies of the journal, in its order."""
    journal = iter(replies)
    for at, message in enumerate(row["messages"]):
        if message["role"] != "assistant":
            continue
        calls = [call["function"] for call in message.get("tool_calls") or []]
        turn = turn_of(message, calls)
        if not any(reply == turn for reply in journal):
            sys.exit(f"row {number}, message {at}: the journal has no such reply: {turn}")


def turn_of(message, calls):
    return message["content"], [(call["name"], call["arguments"]) for call in calls]


def journaled_replies(run):
    """The model's replies by rollout, in the order in which they came."""
    replies = {}
    for path in sorted(pathlib.Path(run, "rollouts").glob("*.journal")):
        records = [json.loads(line.split(" ", 1)[1]) for line in path.open(encoding="utf-8")]
        rollout = key(records[0]["rollout"])
        answers = (record["answer"] for record in records if record["record"] == "exchange")
        messages = (answer["reply"]["message"] for answer in answers if "reply" in answer)
        replies[rollout] = [turn_of(message, message.get("tool_calls", [])) for message in messages]
    return replies


def key(rollout):
    return json.dumps(rollout, sort_keys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Loads an exported JSONL file with the `datasets` library and prints figures."""

import collections
import sys

import datasets


def main(path):
    rows = datasets.load_dataset("json", data_files=path, split="train")
    roles = collections.Counter(
        message["role"] for row in rows for message in row["messages"]
    )
    print(f"datasets {datasets.__version__}: {len(rows)} rows, columns {rows.column_names}")
    print("turns: " + ", ".join(f"{role} {count}" for role, count in sorted(roles.items())))


if __name__ == "__main__":
    main(sys.argv[1])

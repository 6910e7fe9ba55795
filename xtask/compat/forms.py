"""Feeds every form of export to the code that reads it in the real consumer.

`make DIR` writes rollouts in the canonical form, and a tokenizer with a chat
template that renders nothing but texts, so that counts can be compared to the
token. `check DIR [SLIME]` reads the exports below DIR.

trl, verl, LLaMA-Factory and Harbor are installed without what they depend on, as
they want PyTorch or a newer Python: their data modules are loaded alone, past
`__init__.py` of their packages. What of them needs a GPU build is named.
"""

import collections
import importlib
import importlib.util
import json
import pathlib
import random
import sys
import types

SPECIAL = ["<|start|>", "<|sep|>"]

# Texts and nothing else between the marks, so that tokens can be counted by hand.
TEMPLATE = """\
{%- if tools %}<|start|>tools<|sep|>{% for tool in tools %}{{ tool.function.name }}{{ tool.function.description }}\
{{ tool.function.parameters | tojson }}{% endfor %}{% endif -%}
{%- for message in messages -%}
<|start|>{{ message.role }}<|sep|>
{%- if message.role == "assistant" -%}{% generation %}{{ message.reasoning_content or "" }}{{ message.content }}\
{%- for call in message.tool_calls or [] %}{{ call.function.name }}{{ call.function.arguments | tojson }}\
{%- endfor %}{% endgeneration %}
{%- else %}{{ message.content }}{% endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}<|start|>assistant<|sep|>{% endif -%}
"""

TOOLS = [
    ("bash", {"type": "object", "properties": {"command": {"type": "string"}}}),
    ("edit", {"type": "object", "properties": {"path": {"type": "string"}, "lines": {"type": "array"}}}),
]


def dump(value):
    """JSON as chat templates render it."""
    return json.dumps(value, ensure_ascii=False)


class Rollout:
    """A rollout in the canonical form that grows by what is said in it."""

    def __init__(self, chain, dice, trial=1, score=1.0):
        self.dice, self.trial, self.score = dice, trial, score
        self.messages, self.turns, self.calls = [], [], 0
        self.histories = [{"stage": 1, "kept": 0, "said": []}]
        self.chain = chain

    def say(self, message, turn=None):
        self.messages.append(message)
        said = {"message": len(self.messages) - 1, "stage": 1, "round": 1}
        if turn is not None:
            said["turn"] = turn
        self.histories[-1]["said"].append(said)

    def text(self):
        words = ["ä", "x = 1", "{\n}", "<b>", '"quoted"', "</tool_call>", "back\\slash", "🙂", "null"]
        # transformers marks the first token alone of a letter at the end of a turn.
        return " ".join(self.dice.choices(words, k=self.dice.randint(0, 5)) + ["."])

    def turn(self, calls):
        made = []
        for _ in range(calls):
            self.calls += 1
            if self.dice.random() < 0.5:
                name, arguments = "bash", {"command": self.text()}
            else:
                name, arguments = "edit", {"path": self.text(), "lines": [self.dice.randint(0, 9)]}
            made.append({"id": f"c{self.calls}", "name": name, "arguments": arguments})
        message = {"role": "assistant", "content": self.text(), "origin": "model"}
        if self.dice.random() < 0.5:
            message["reasoning"] = self.text().replace("</tool_call>", "thought")
        if made:
            message["tool_calls"] = made
        self.say(message, len(self.turns))
        usage = {"input_tokens": 9, "cached_tokens": 4, "output_tokens": 3, "cost_microusd": 1}
        self.turns.append({
            "conversation": 0, "stage": 1, "round": 1, "message": len(self.messages) - 1,
            "finish": "stop", "usage": usage, "tools": "0" * 64,
        })
        for call in made:
            self.say({"role": "tool", "content": self.text(), "call_id": call["id"]})

    def compress(self):
        """A summary in the place of all but the last two messages."""
        kept = self.histories[-1]["said"][-2:]
        self.histories.append({"stage": 1, "kept": 0, "said": []})
        self.say({"role": "user", "content": "summary"})
        history = self.histories[-1]
        history["said"] += kept
        history["kept"] = len(history["said"])
        self.say({"role": "user", "content": "go on"})

    def line(self):
        outcome = {"outcome": "accepted" if self.score >= 0.8 else "rejected", "score": self.score}
        verdict = {"score": self.score, "findings": [], "feedback": "", "rationale": ""}
        judged = {
            "round": 1, "end": None, "submission": None, "verdict": verdict, "judges": [],
            "combine": None, "cut": [], "withheld": None,
        }
        usage = {"input_tokens": 0, "cached_tokens": 0, "output_tokens": 0, "cost_microusd": 0}
        tools = [{"name": n, "description": f"tool {n}", "parameters": p} for n, p in TOOLS]
        stage = {
            "stage": 1, "id": "pr-1", "conversation": 0, "rounds": [judged], "outcome": outcome,
            "usage": usage, "turns": len(self.turns), "tool_calls": self.calls,
        }
        return dump({
            "catena_trajectory": 1,
            "source": {"format": "catena", "name": "made"},
            "rollout": {"chain": self.chain, "trial": self.trial},
            "repository": "made/up",
            "agent": {"name": "made", "model": "made"},
            "chain": [{"id": "pr-1"}],
            "end": outcome,
            "stages": [stage],
            "conversations": [{"id": 0, "histories": self.histories}],
            "turns": self.turns,
            "tools": {"0" * 64: tools},
            "usage": usage,
            "messages": self.messages,
        })


def make(directory):
    dice = random.Random(7)
    directory = pathlib.Path(directory)
    with open(directory / "made.jsonl", "w", encoding="utf-8") as file:
        for number in range(40):
            rollout = Rollout(f"made-{number}", dice)
            rollout.say({"role": "system", "content": rollout.text()})
            rollout.say({"role": "user", "content": rollout.text()})
            for _ in range(dice.randint(1, 5)):
                rollout.turn(dice.randint(1, 3))
            if number % 4 == 0:
                rollout.compress()
                rollout.turn(1)
            rollout.turn(0)
            file.write(rollout.line() + "\n")
            if number % 3 == 0:
                worse = Rollout(rollout.chain, dice, trial=2, score=0.2)
                for message in rollout.messages[:2]:
                    worse.say(message)
                worse.turn(1)
                worse.turn(0)
                file.write(worse.line() + "\n")
    tokenizer().save(str(directory / "tokenizer.json"))
    (directory / "template.jinja").write_text(TEMPLATE)


def tokenizer():
    """A token for each byte, and one for each mark."""
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = tokenizers.Tokenizer(models.BPE({letter: at for at, letter in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(SPECIAL)
    return made


def hugging_face_tokenizer():
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=tokenizer(), chat_template=TEMPLATE)


def load_alone(package, *modules):
    """Modules of a package, without running the `__init__.py` above them."""
    if all(module in sys.modules for module in modules):
        return [sys.modules[module] for module in modules]
    root = pathlib.Path(importlib.util.find_spec(package).origin).parent
    for module in modules:
        parts = module.split(".")
        for end in range(1, len(parts)):
            name = ".".join(parts[:end])
            if name not in sys.modules:
                stub = types.ModuleType(name)
                stub.__path__ = [str(root.joinpath(*parts[1:end]))]
                sys.modules[name] = stub
    return [importlib.import_module(module) for module in modules]


def fail(what):
    sys.exit(f"failed: {what}")


def same(found, wanted, what):
    if found != wanted:
        fail(f"{what}: {found!r} is not {wanted!r}")


class Export:
    """A form's file with the manifest beside it."""

    def __init__(self, directory, name):
        self.path = pathlib.Path(directory, name)
        self.manifest = json.loads(pathlib.Path(f"{self.path}.manifest.json").read_text())
        self.samples = self.manifest["samples"]
        same(len(self.samples), self.manifest["counts"]["rows"], f"{name}: rows in the manifest")

    def lines(self):
        return [json.loads(line) for line in self.path.open(encoding="utf-8")]

    def dropped(self):
        return collections.Counter(dropped["reason"] for dropped in self.manifest["dropped"])

    def told(self, consumer, rows, learned=None):
        """Says how it went. Every row must have come through."""
        same(rows, len(self.samples), f"{consumer}: rows")
        tokens = self.manifest["counts"].get("tokens")
        text = f"{consumer}: {rows} rows, 0 lost"
        if learned is not None:
            same(learned, tokens["trained"], f"{consumer}: learned tokens")
            text += f", {learned} learned tokens as in the manifest"
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.dropped().items()))
        print(text + (f"; left out with a reason: {reasons}" if reasons else ""))


def turns_of(messages):
    return [message for message in messages if message["role"] == "assistant"]


def check_calls(messages, where):
    """Arguments are objects, and not texts of objects."""
    for message in messages:
        for call in message.get("tool_calls") or []:
            if not isinstance(call["function"]["arguments"], dict):
                fail(f"{where}: arguments are {call['function']['arguments']!r}")


def loaded(path):
    import datasets

    rows = datasets.load_dataset("json", data_files=str(path), split="train")
    return [json.loads(json.dumps(row)) for row in rows]


def check_openai(directory):
    export = Export(directory, "openai.jsonl")
    rows = loaded(export.path)
    for row, line in zip(rows, export.lines()):
        same(without_nothing(row), without_nothing(line), "datasets: a row")
    export.told("openai, datasets", len(rows))


def without_nothing(value):
    """Without keys that a table adds to rows that lack them."""
    if isinstance(value, dict):
        return {key: without_nothing(item) for key, item in value.items() if item is not None}
    return [without_nothing(item) for item in value] if isinstance(value, list) else value


def check_trl(directory):
    (data_utils,) = load_alone("trl", "trl.data_utils")
    made = hugging_face_tokenizer()
    export = Export(directory, "trl.jsonl")
    rows = loaded(export.path)
    learned = 0
    for row, line in zip(rows, export.lines()):
        same(row, line, "trl: a row after `datasets`")
        check_calls(row["prompt"] + row["completion"], "trl")
        if not data_utils.is_conversational(row):
            fail("trl: a row is no conversation")
        tools = json.loads(row["tools"])
        told = data_utils.apply_chat_template(row, made, tools=tools)
        whole = made.apply_chat_template(
            row["prompt"] + row["completion"], tools=tools, return_dict=True,
            return_assistant_tokens_mask=True,
        )
        same(told["prompt"] + told["completion"], made.decode(whole["input_ids"]), "trl: the text")
        # What trl learns: the assistant's tokens of the completion.
        begin = len(made(told["prompt"])["input_ids"])
        learned += sum(whole["assistant_masks"][begin:])
    export.told("trl, data_utils and datasets", len(rows), learned)


def check_preference(directory):
    (data_utils,) = load_alone("trl", "trl.data_utils")
    export = Export(directory, "preference.jsonl")
    made = hugging_face_tokenizer()
    rows = loaded(export.path) if export.path.stat().st_size else []
    for row in rows:
        check_calls(row["prompt"] + row["chosen"] + row["rejected"], "preference")
        told = data_utils.apply_chat_template(row, made, tools=json.loads(row["tools"]))
        for key in ("prompt", "chosen", "rejected"):
            if not told[key]:
                fail(f"preference: an empty {key}")
    export.told("trl DPO, data_utils and datasets", len(rows))


def check_verl(directory):
    """verl's dataset without PyTorch: its reading and its template calls, step by step."""
    import pandas

    source = importlib.util.find_spec("verl").origin
    text = pathlib.Path(source).with_name("utils").joinpath("py_functional.py").read_text()
    begin = text.index("def convert_nested_value_to_list_recursive")
    end = text.index("\ndef ", begin + 1)
    names = {"np": __import__("numpy")}
    exec(text[begin:end], names)  # The package's own function, alone.
    convert = names["convert_nested_value_to_list_recursive"]
    made = hugging_face_tokenizer()
    export = Export(directory, "verl.parquet")
    frame = pandas.read_parquet(export.path, dtype_backend="pyarrow")
    learned = 0
    prompt = len(made("<|start|>assistant<|sep|>")["input_ids"])
    for messages, tools in zip(frame["messages"].apply(convert), frame["tools_json"]):
        tools = json.loads(tools)
        for message in messages:
            for call in message["tool_calls"] or []:
                call["function"]["arguments"] = json.loads(call["function"]["arguments"])
        whole, single = made.apply_chat_template(messages, tools=tools, return_dict=False), []
        for index, message in enumerate(messages):
            tokens = made.apply_chat_template(
                [message], tools=tools if index == 0 else None, return_dict=False
            )
            single += tokens
            if message["role"] == "assistant":
                learned += len(tokens) - prompt
        same(single, whole, "verl: messages one by one")
    export.told("verl, its reading and masks", len(frame), learned)


def llamafactory_extras():
    """What its data modules ask of the rest, which wants PyTorch. Warnings are failures."""
    warn = types.SimpleNamespace(warning_rank0=fail, warning_rank0_once=fail)
    offered = {
        "logging": {"get_logger": lambda _: warn},
        "constants": {"DATA_CONFIG": "dataset_info.json"},
        "misc": {"use_modelscope": bool, "use_openmind": bool},
    }
    extras = sys.modules["llamafactory.extras"] = types.ModuleType("llamafactory.extras")
    extras.__path__ = []
    for name, members in offered.items():
        module = types.ModuleType(f"llamafactory.extras.{name}")
        vars(module).update(members)
        sys.modules[module.__name__] = module
        setattr(extras, name, module)


def check_llamafactory(directory):
    llamafactory_extras()
    converter, formatter, parser = load_alone(
        "llamafactory", "llamafactory.data.converter", "llamafactory.data.formatter",
        "llamafactory.data.parser",
    )
    attributes = parser.DatasetAttr("file", dataset_name="catena")
    attributes.join({
        "formatting": "sharegpt",
        "columns": {"messages": "conversations", "tools": "tools"},
    })
    convert = converter.SharegptDatasetConverter(attributes, types.SimpleNamespace(media_dir=""))
    calls = formatter.FunctionFormatter(slots=["{{content}}"], tool_format="qwen")
    words = {"thought_words": ("<think>\n", "\n</think>\n\n"), "tool_call_words": ("<tool_call>", "</tool_call>")}
    export, slime = Export(directory, "sharegpt.jsonl"), Export(directory, "slime.jsonl")
    wanted = {}
    for entry, line in zip(slime.samples, slime.lines()):
        wanted[entry["rollout"]["chain"], entry["history"]] = turns_of(line["messages"])
    rows = 0
    for row, entry in zip(loaded(export.path), export.samples):
        told = convert(row)
        if not told["_prompt"] or len(told["_response"]) != 1 or len(told["_prompt"]) % 2 != 1:
            fail("LLaMA-Factory drops a row")
        rows += 1
        json.loads(told["_tools"])
        spoken = [said for said in told["_prompt"] + told["_response"]
                  if said["role"] in ("assistant", "function")]
        turns = wanted[entry["rollout"]["chain"], entry["history"]]
        same(len(spoken), len(turns), "LLaMA-Factory: turns")
        for said, turn in zip(spoken, turns):
            text = said["content"]
            if said["role"] == "function":
                (text,) = calls.apply(content=text, **words)
                for call in turn["tool_calls"]:
                    body = {"name": call["function"]["name"], "arguments": call["function"]["arguments"]}
                    if dump(body) not in text:
                        fail(f"LLaMA-Factory: the call {body} is not in {text!r}")
            for thought in (turn.get("reasoning_content"), turn["content"]):
                if thought and thought not in text:
                    fail(f"LLaMA-Factory: {thought!r} is not in {text!r}")
    export.told("LLaMA-Factory, converter and formatter", rows)


def check_harbor(directory):
    (validator,) = load_alone("harbor", "harbor.utils.trajectory_validator")
    export = Export(directory, "atif.jsonl")
    versions = collections.Counter()
    for line in export.lines():
        check = validator.TrajectoryValidator()
        if not check.validate(line):
            fail(f"Harbor: {check.get_errors()[:5]}")
        versions[line["schema_version"]] += 1
    export.told(f"Harbor, its validator, {dict(versions)}", sum(versions.values()))


def check_slime(directory, slime):
    """slime is no package on the index that has the others: a checkout of it is named."""
    path = pathlib.Path(slime, "slime/utils/mask_utils.py")
    spec = importlib.util.spec_from_file_location("mask_utils", path)
    mask_utils = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mask_utils)
    made = hugging_face_tokenizer()
    generator = mask_utils.MultiTurnLossMaskGenerator(made, tokenizer_type="qwen")
    export = Export(directory, "slime.jsonl")
    learned = rows = 0
    for line, entry in zip(export.lines(), export.samples):
        check_calls(line["messages"], "slime")
        ids, mask = generator.get_loss_mask(line["messages"], tools=line["tools"])
        same(len(ids), len(mask), "slime: the mask's length")
        texts = generator.get_text_from_loss_mask(ids, mask)
        same(len(texts), len(entry["trained"]), "slime: learned turns")
        for text, position in zip(texts, entry["trained"]):
            same(text, rendered(line["messages"][position]), "slime: a learned turn")
        same(sum(mask), entry["tokens"]["trained"], "slime: learned tokens of a row")
        learned += sum(mask)
        rows += 1
    export.told("slime, mask_utils", rows, learned)


def rendered(message):
    calls = (call["function"] for call in message.get("tool_calls") or [])
    calls = "".join(call["name"] + dump(call["arguments"]) for call in calls)
    return message.get("reasoning_content", "") + message["content"] + calls


def check(directory, slime=None):
    check_openai(directory)
    check_trl(directory)
    check_preference(directory)
    check_verl(directory)
    check_llamafactory(directory)
    check_harbor(directory)
    if slime:
        check_slime(directory, slime)
    else:
        print("slime: not checked; `--slime DIR` names a checkout of it")
    print("not run, as they need PyTorch: the trainers of trl, verl and LLaMA-Factory")


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](*sys.argv[2:])

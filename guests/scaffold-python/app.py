"""Shows the model one file of the worktree and writes its answer beside it.

It is here to hold the plugin contract against a second language: it is built by
componentize-py from the WIT package alone.
"""

import json
from pathlib import Path

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.scaffold import (
    Ending_Submitted,
    ScaffoldError_InvalidConfig,
    ScaffoldError_Model,
)
from wit_world.imports import config, log, model

WORKTREE = Path("/workspace")


class Scaffold(exports.Scaffold):
    def attempt(self, task, conversation):
        settings = read_settings()
        with open(WORKTREE / settings["file"], encoding="utf-8") as file:
            text = file.read()
        conversation.push(model.Message_User(f"{task.query}\n\n{settings['file']}:\n{text}"))
        answer = ask(conversation)
        if answer is not None:
            (WORKTREE / settings["answer"]).write_text(answer, encoding="utf-8")
        return Ending_Submitted()


def read_settings():
    settings = json.loads(config.read())
    for key in ("file", "answer"):
        if not isinstance(settings.get(key), str):
            raise Err(ScaffoldError_InvalidConfig(f"`{key}` must be a string"))
    return settings


def ask(conversation):
    """Returns the model's answer, or None where the plugin may not ask."""
    request = model.CompletionRequest(
        tools=[],
        tool_choice=model.ToolChoice_Automatic(),
        temperature=None,
        max_output_tokens=None,
        stop=[],
    )
    try:
        return conversation.complete(request).message.content
    except Err as err:
        if isinstance(err.value, model.ModelError_NotGranted):
            log.write(log.Level.INFO, "no model is granted: submitting as it is")
            return None
        raise Err(ScaffoldError_Model(err.value))

"""Changes to packages that take an operating system for granted, made as they are imported."""

import sys
from importlib.util import find_spec


def capture(module):
    """pytest copies file descriptors, which WASI can't: it captures the streams of Python."""

    class Capture(module.SysCapture):
        def __init__(self, targetfd):
            super().__init__(targetfd)
            self.targetfd = targetfd

    class BinaryCapture(module.SysCaptureBinary):
        def __init__(self, targetfd):
            super().__init__(targetfd)
            self.targetfd = targetfd

    module.FDCapture, module.FDCaptureBinary = Capture, BinaryCapture


def faulthandler(module):
    """pytest shows tracebacks of crashes on a copy of standard error."""
    for name in ("pytest_configure", "pytest_unconfigure", "pytest_exception_interact",
                 "pytest_enter_pdb"):
        if hasattr(module, name):
            setattr(module, name, lambda: None)
    if hasattr(module, "pytest_runtest_protocol"):
        del module.pytest_runtest_protocol


CHANGES = {"_pytest.capture": capture, "_pytest.faulthandler": faulthandler}


class Finder:
    """Finds what is to be changed as others do, and has it changed after it ran."""

    def find_spec(self, name, path=None, target=None):
        change = CHANGES.pop(name, None)
        if change is None:
            return None
        spec = find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            change(module)

        spec.loader.exec_module = exec_module
        return spec

"""pytest: `activation_regression.check(model, inputs)` holds a model against the golden of this test.

A golden lies beside the test module, in a folder of the module's name: `test_zoo.py` → `test_zoo/TEST.safetensors`.  It
is written on request only, never on a machine that says it is CI; a missing one fails.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import pytest

from tracer.errors import DivergenceError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tracer.records import Fault, JsonObject, Report

_UPDATE, _NEW_ONLY = "--tracer-update", "--tracer-update-new-only"
_FAIL_UNUSED, _HTML = "--tracer-fail-unused", "--tracer-html"
_SUFFIX = ".safetensors"
_TOLD = 5  # faults, and layers without a partner, that a failed test tells of
_SEEN = pytest.StashKey["_Seen"]()


class _Plain(TypedDict):
    """What a worker of pytest-xdist sends: `_Seen` in types that it can."""

    used: dict[str, str]
    written: list[str]
    folders: list[str]
    reports: dict[str, JsonObject]
    claimed_twice: list[str]
    complete: bool


class _Seen:
    """What happened to goldens in this run."""

    def __init__(self) -> None:
        self.used: dict[str, str] = {}  # file → the test that asked for it
        self.written: set[str] = set()
        self.folders: set[str] = set()
        self.reports: dict[str, JsonObject] = {}  # by test, and by golden where a test has several
        self.claimed_twice: set[str] = set()
        self.complete = True

    def claim(self, path: str, test: str) -> str:
        """Note whose golden a file is; the other test whose it is, or ""."""
        owner = self.used.setdefault(path, test)
        if owner == test:
            return ""
        self.claimed_twice.add(f"{path}: of {owner} and of {test}")
        return owner

    def add(self, other: _Plain) -> None:
        """What a worker of pytest-xdist has seen."""
        for path, test in other["used"].items():
            self.claim(path, test)
        self.written |= set(other["written"])
        self.folders |= set(other["folders"])
        self.reports |= other["reports"]
        self.claimed_twice |= set(other["claimed_twice"])
        self.complete = self.complete and bool(other["complete"])

    def plain(self) -> _Plain:
        return {
            "used": self.used,
            "written": sorted(self.written),
            "folders": sorted(self.folders),
            "reports": self.reports,
            "claimed_twice": sorted(self.claimed_twice),
            "complete": self.complete,
        }

    def unused(self) -> list[str]:
        """Goldens that no test asked for, where every test of their module ran, or their module is gone."""
        if not self.complete:
            return []
        there = {str(path) for folder in self.folders for path in Path(folder).glob(f"*{_SUFFIX}")}
        beside = {parent for folder in self.folders for parent in [Path(folder).parent]}
        left = {str(path) for parent in beside for path in parent.glob(f"test_*/*{_SUFFIX}") if _is_left(path)}
        return sorted((there | left) - self.used.keys())


def _is_left(golden: Path) -> bool:
    """Whether the module of tests that a golden lies beside is gone."""
    return not golden.parent.with_suffix(".py").exists() and not (golden.parent / "__init__.py").exists()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The flags."""
    group = parser.getgroup("tracer", "Keras layer tracer")
    group.addoption(_UPDATE, action="store_true", help="activation_regression: write every golden anew")
    group.addoption(_NEW_ONLY, action="store_true", help="activation_regression: write goldens that are missing")
    group.addoption(_FAIL_UNUSED, action="store_true", help="fail when all tests ran and a golden belongs to none")
    group.addoption(_HTML, metavar="FILE", help="write a page of all checks of activation_regression")


def pytest_configure(config: pytest.Config) -> None:
    """Begin to keep book."""
    config.stash[_SEEN] = _Seen()


class ActivationRegression:
    """Holds models against the goldens of one test.

    Args:
        request: of the test.
    """

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request
        self._seen = request.config.stash[_SEEN]
        self.folder = request.path.parent / request.path.stem
        self._names: set[str] = set()

    def check(self, model: Any, inputs: Any, basename: str | None = None) -> None:
        """Does nothing when the model's activations are those that were recorded, layer by layer.

        Args:
            model: a Keras model.
            inputs: array(s) in the structure that it takes.
            basename: of the golden's file; when not given, the test's name, behind that of its class. A test with
                several goldens names each.

        Raises:
            DivergenceError: an AssertionError that names the layer, the cause and the next command.
        """
        __tracebackhide__ = True
        path = self._path(basename)
        config = self._request.config
        update = config.getoption(_UPDATE)
        if update or (config.getoption(_NEW_ONLY) and not path.exists()):
            self._record(model, inputs, path)
        elif not path.exists():
            again = f"pytest {_NEW_ONLY} {self._node()}"
            pytest.fail(f"no golden {self._shown(path)}. Record it, look at it, commit it: {again}", pytrace=False)
        else:
            self._hold(model, inputs, path)

    def _path(self, basename: str | None) -> Path:
        own, cls = self._request.node.name, self._request.cls
        name = _file_name(basename or (own if cls is None else f"{cls.__name__}.{own}"))
        if name in self._names:
            pytest.fail(f"{name!r} is the golden of two models in one test: give each `basename=…`.", pytrace=False)
        owner = self._seen.claim(str(self._file(name)), self._request.node.nodeid)
        if owner:
            pytest.fail(f"{name!r} is the golden of {owner} too: give each `basename=…`.", pytrace=False)
        self._names.add(name)
        self._seen.folders.add(str(self.folder))
        return self._file(name)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}{_SUFFIX}"

    def _record(self, model: Any, inputs: Any, path: Path) -> None:
        __tracebackhide__ = True
        if os.environ.get("CI", "").lower() not in ("", "0", "false"):
            pytest.fail(
                f"{self._shown(path)}: not written, because this is CI (CI={os.environ['CI']}). Record goldens where "
                "somebody looks at them, and commit them.",
                pytrace=False,
            )
        from tracer.errors import TracerError
        from tracer.workflows import regression

        try:
            regression.record_live(model, inputs, path)
        except TracerError as error:
            pytest.fail(f"{self._shown(path)}: not recorded: {error}", pytrace=False)
        self._seen.written.add(str(path))

    def _hold(self, model: Any, inputs: Any, path: Path) -> None:
        __tracebackhide__ = True
        from tracer.errors import TracerError
        from tracer.workflows import regression

        try:
            report = regression.check_live(model, inputs, path)
        except TracerError as error:
            back = f"If it was committed, this brings it back: git checkout -- {shlex.quote(self._shown(path))}"
            pytest.fail(f"{error}\n{back}\nIf this is meant: pytest {_UPDATE} {self._node()}", pytrace=False)
        name = f"{self._request.node.nodeid} ({path.stem})" if len(self._names) > 1 else self._request.node.nodeid
        if self._request.config.getoption(_HTML):
            self._seen.reports[name] = report.to_dict()
        if not report.matches:
            raise DivergenceError(_message(report, self._shown(path), self._node()), report)

    def _node(self) -> str:
        return shlex.quote(self._request.node.nodeid)

    def _shown(self, path: Path) -> str:
        root = self._request.config.rootpath
        return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _file_name(text: str) -> str:
    """A test's name with what no file system objects to."""
    return re.sub(r"[^\w.\-]+", "_", text).strip("_")


@pytest.fixture
def activation_regression(request: pytest.FixtureRequest) -> ActivationRegression:
    """Holds a model against the golden of this test; see `ActivationRegression.check`."""
    return ActivationRegression(request)


def _message(report: Report, golden: str, node: str) -> str:
    """What is wrong in the first line, which is all that pytest's short summary and a CI service show."""
    against = f"{report.status}: {report.compared} layer outputs against {golden}"
    lines = [_first_line(report), against, *_differences(report)]
    blamed = (*report.faults, *report.hidden)
    layer = blamed[0].layer if blamed else report.first_divergence
    if layer:
        lines.append(f"  what was recorded there: tracer show {shlex.quote(golden)} {shlex.quote(layer)}")
    lines.append(f"  if the change is meant: pytest {_UPDATE} {node}")
    return "\n".join(lines)


def _first_line(report: Report) -> str:
    """`norm: config, 1.2e-01 of its output, 2.0e-06 allowed (LayerNormalization)`, what may be cut off last."""
    from tracer.errors import printable
    from tracer.report.phrases import error_words, headline

    errors = {layer.layer: f", {error_words(layer)}" for layer in report.layers}
    more = f"; and {len(report.faults) - 1} more at fault" if len(report.faults) > 1 else ""
    if report.faults:
        first = report.faults[0]
        return printable(f"{first.layer}: {first.cause}{errors.get(first.layer, '')} ({first.class_name}){more}")
    if report.hidden:
        first = report.hidden[0]
        return printable(f"{first.layer}: {first.cause}, though these inputs don't show it ({first.class_name})")
    return printable(headline(report))


def _differences(report: Report) -> Iterator[str]:
    for fault in report.faults[:_TOLD]:
        yield from _fault_lines(fault)
    if len(report.faults) > _TOLD:
        yield f"  … and {len(report.faults) - _TOLD} more"
    for fault in report.hidden[:_TOLD]:
        yield f"  {fault.layer} ({fault.class_name}): cause {fault.cause}, though these inputs don't show it"
    for side, where in (("reference", "gone"), ("candidate", "new")):
        paths = report.unmatched.get(side, ())
        if paths:
            yield f"  layers that are {where}: {', '.join(paths[:_TOLD])}"


def _fault_lines(fault: Fault) -> Iterator[str]:
    told = "; ".join(e.detail or f"{e.name}: {e.reference} → {e.candidate}" for e in fault.evidence)
    yield f"  {fault.layer} ({fault.class_name}): cause {fault.cause}{': ' if fault.evidence else ''}{told}"
    if fault.remedy:
        yield f"    remedy: {fault.remedy}"


# --- the whole run


def pytest_deselected(items: list[pytest.Item]) -> None:
    """A golden whose test was left out on purpose isn't unused."""
    if items:
        items[0].config.stash[_SEEN].complete = False


def pytest_collection_modifyitems(config: pytest.Config) -> None:
    """Likewise where single tests were asked for."""
    if any("::" in str(argument) for argument in config.args):
        config.stash[_SEEN].complete = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed or was skipped may not have come to its golden.

    Where it failed in a check, what the short summary and JUnit XML say of it begins with the layer: the summary is cut
    at the width of the terminal, and the name of the exception would take half of that.
    """
    report = yield
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None and call.excinfo is not None and call.excinfo.errisinstance(DivergenceError):
        crash.message = str(call.excinfo.value)
    if not report.passed and report.when in ("setup", "call"):
        item.config.stash[_SEEN].complete = False
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist tells the main process what it has seen; the main process says how it ended."""
    seen, output = session.config.stash[_SEEN], getattr(session.config, "workeroutput", None)
    if output is not None:
        output["tracer"] = seen.plain()
        return
    wrong = seen.claimed_twice or (session.config.getoption(_FAIL_UNUSED) and seen.unused())
    if wrong and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What a worker of pytest-xdist has seen."""
    seen = getattr(node, "workeroutput", {}).get("tracer")
    if seen is not None:
        node.config.stash[_SEEN].add(seen)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Goldens that were written, those of two tests, and those that no test uses; the page, if it was asked for."""
    seen = config.stash[_SEEN]
    unused = [] if config.option.collectonly else seen.unused()
    for title, paths in (
        ("written", sorted(seen.written)),
        ("that two tests share (give each a basename=…)", sorted(seen.claimed_twice)),
        ("that no test uses (delete them)", unused),
    ):
        if paths:
            terminalreporter.section(f"tracer: goldens {title}")
            for path in paths:
                terminalreporter.line(os.path.relpath(path, config.rootpath))
    if config.getoption(_FAIL_UNUSED) and not seen.complete:
        terminalreporter.line(
            f"{_FAIL_UNUSED}: not every test ran and passed, so it isn't known which goldens are unused."
        )
    if config.getoption(_HTML):
        terminalreporter.line(_write_page(Path(config.getoption(_HTML)), seen))


def _write_page(target: Path, seen: _Seen) -> str:
    """One page of all checks; what became of it, in words."""
    from tracer.core.outcomes import Outcomes
    from tracer.errors import TracerError
    from tracer.records import Report
    from tracer.store.reports import write_report

    if not seen.reports:
        return f"{_HTML}: no golden was checked, so {target} wasn't written."
    reports = {name: Report.from_dict(told) for name, told in sorted(seen.reports.items())}
    try:
        write_report(target, Outcomes(reports, "test").to_html())
    except TracerError as error:
        return f"{_HTML}: {target} wasn't written: {error}"
    return f"tracer: a page of {len(reports)} checks: {target}"

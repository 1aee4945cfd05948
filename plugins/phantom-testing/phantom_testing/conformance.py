"""`Conformance`: the checks that every kind of component has in common.

The classes of the kit are collected by pytest when a class derived from them is called `Test…`; they
need no pytest themselves. Each check is a method `test_…` without parameters that raises
`AssertionError`: what was found, what was expected, what to do; or `unittest.SkipTest`, if it does not apply.
"""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, TypeVar

import phantom_core as ph
from phantom_testing.core_bound import CORE_DISTRIBUTION, bound_problem, core_bound
from phantom_testing.ignored_settings import ignored_settings
from phantom_testing.import_report import ImportReport, import_report

ValueT = TypeVar("ValueT")

NO_SUCH_SETTING: Final = "no_such_setting"


def require(condition: object, message: str) -> None:
    """Fail a check, unless the condition holds.

    Raises:
        AssertionError: with the message.
    """
    __tracebackhide__ = True
    if not condition:
        raise AssertionError(message)


class Conformance:
    """What every component has to be: found, bounded, documented, quiet, and at home in any process.

    A component may say in its own class how it wants to be checked, so that `phantom plugins check`
    knows it too: `conformance = {"config": {"lr": 0.1}}`. What a derived class of the kit sets itself
    counts for more.

    Attributes:
        kind: what kind of component it is.
        base: the class that it must derive from.
        name: the name it is registered under, or `distribution:name`.
        config: settings to build it with.
        idle_settings: settings that make no difference in the kit's small envs, such as a bound that is not
            reached there. Of trainers and policies it is checked that all others do.
    """

    kind: ClassVar[str]
    base: ClassVar[type]
    name: ClassVar[str] = ""
    config: ClassVar[Mapping[str, Any]] = {}
    idle_settings: ClassVar[tuple[str, ...]] = ()
    _kept: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Give each class a place for what several of its checks look at."""
        super().__init_subclass__(**kwargs)
        cls._kept = {}

    # ------------------------------------------------------------------ the component

    @property
    def subject(self) -> str:
        """The component as messages call it, such as `Trainer 'my-algo'`."""
        return f"{self.kind.capitalize()} {self.name!r}"

    @property
    def component(self) -> ph.Component:
        """What is registered under the name."""
        require(self.name, f"{type(self).__name__} has no name. Set name = 'the-registered-name' in it.")
        return self.once("component", lambda: ph.find(self.kind, self.name))

    @property
    def target(self) -> Any:
        """The class of the component."""
        return self.component.load()

    def option(self, name: str) -> Any:
        """Return a setting of the kit: from the derived class, else from the component, else the default."""
        for cls in type(self).__mro__:
            if cls.__module__.startswith("phantom_testing."):
                break
            if name in vars(cls):
                return vars(cls)[name]
        declared: Mapping[str, Any] = getattr(self.target, "conformance", {})
        for key in declared:
            known = [option for option in dir(type(self)) if not option.startswith(("_", "test_"))]
            require(
                key in known,
                f"{self.subject} has conformance[{key!r}], which the kit does not know."
                f"{ph.tools.did_you_mean(key, known)} Leave it out.",
            )
        return declared.get(name, getattr(type(self), name))

    def once(self, key: str, make: Callable[[], ValueT]) -> ValueT:
        """Return what was made under a key before, or make it."""
        kept = type(self)._kept  # noqa: SLF001  the class's own
        if key not in kept:
            kept[key] = make()
        value: ValueT = kept[key]
        return value

    def build(self) -> Any:
        """Return an instance; for a trainer or env its class, and what a worker needs beside it.

        Raises:
            AssertionError: if it cannot be built.
        """
        try:
            return self.build_with(self.option("config"))
        except (TypeError, ph.PhantomError) as error:
            raise AssertionError(
                f"{self.subject} cannot be built: {ph.tools.error_text(error)}. Give it settings, here or "
                'in its class: conformance = {"config": {...}}.'
            ) from error

    def report(self) -> ImportReport:
        """Return what importing it in a new process does, and whether an instance arrives there."""
        return self.once("report", self._report)

    def _report(self) -> ImportReport:
        target = self.target
        return import_report(f"{target.__module__}:{target.__qualname__}", pickled=self._pickled())

    def _pickled(self) -> bytes:
        try:
            return pickle.dumps(self.build())
        except Exception:  # the check of it says so
            return b""

    # ------------------------------------------------------------------ its checks

    def test_it_is_found_by_name(self) -> None:
        """Metadata leads from the name to a class of the right kind."""
        try:
            _ = self.target
        except ph.PhantomError as error:
            raise AssertionError(str(error)) from error

    def test_it_bounds_the_version_of_the_core(self) -> None:
        """The distribution says which versions of the core it works with: this minor version, all of it."""
        component = self.component
        bound = component.core_specifier
        problem = "" if component.distribution == CORE_DISTRIBUTION else bound_problem(bound)
        require(
            not problem,
            f"{component.distribution} requires {CORE_DISTRIBUTION}{bound or ' of any version'}, which "
            f"{problem}. Minor versions may break plugins, patches do not. Expected "
            f'"{CORE_DISTRIBUTION}{core_bound()}" among the dependencies in pyproject.toml.',
        )

    def test_its_settings_are_documented(self) -> None:
        """Class and settings say what they are for."""
        target = self.target
        document = vars(target).get("__doc__") if isinstance(target, type) else target.__doc__
        require(
            (document or "").strip(),
            f"{self.subject} ({getattr(target, '__name__', target)}) has no docstring. Say in one sentence "
            "what it is: `phantom plugins describe` shows it.",
        )
        config_class = self.component.config_class() if isinstance(target, type) else None
        if config_class is None:
            return
        params = getattr(config_class, "__dataclass_params__", None)
        require(
            params is not None and params.frozen,
            f"{self.subject} has the config_class {config_class.__name__}, which is no frozen dataclass. "
            "Decorate it with @dataclass(frozen=True).",
        )
        documents = self.component.setting_documents()
        missing = [f.name for f in dataclasses.fields(config_class) if f.init and f.name not in documents]
        require(
            not missing,
            f"{self.subject} does not document its settings {ph.tools.listing(missing)}. Write a string "
            f"below each field of {config_class.__name__}.",
        )

    def test_it_refuses_settings_that_it_does_not_have(self) -> None:
        """A misspelt setting is an error, never ignored."""
        try:
            self.build_with({**self.option("config"), NO_SUCH_SETTING: 1})
        except (ph.PhantomError, TypeError):
            return
        raise AssertionError(
            f"{self.subject} took the setting {NO_SUCH_SETTING!r}, which it does not have. Declare settings "
            "in a config_class and hand **settings on to super().__init__()."
        )

    def require_that_all_matter(
        self, config_class: type, effect: Callable[[Mapping[str, Any]], str | None]
    ) -> None:
        """Fail if there are settings that change nothing, whatever they are, and are not `idle_settings`.

        Args:
            config_class: a frozen dataclass.
            effect: a text of what comes out with settings, equal for equal outcomes; None: they are refused.

        Raises:
            AssertionError: that names them.
        """
        idle = self.option("idle_settings")
        found = ignored_settings(config_class, self.option("config"), effect, idle=idle)
        require(
            not found,
            f"{self.subject} does the same whatever {ph.tools.listing(found)} is set to. Expected every "
            "setting to matter: read it from self.config, or take it out; name those that cannot matter in "
            "so small a world in idle_settings.",
        )

    def build_with(self, config: Mapping[str, Any]) -> Any:
        """Build the component with other settings."""
        return self.target(**config)

    def test_runs_that_do_not_select_it_import_nothing_heavy(self) -> None:
        """Whoever has it installed and does not use it pays nothing."""
        found = self.report().heavy_before
        require(
            not found,
            f"{self.subject} is installed with something that makes every run import {', '.join(found)}. "
            "Import it in the function that needs it, or register components instead of a plugin object.",
        )

    def test_it_can_be_imported_in_a_new_process(self) -> None:
        """The import works alone, without what this process has imported before."""
        report = self.report()
        require(
            not report.error,
            f"{self.subject} cannot be imported in a new process: {report.error}. Import what it needs in "
            "its own module.",
        )

    def test_importing_it_draws_from_no_global_generator(self) -> None:
        """The random numbers of others stay as they are."""
        self._require_untouched("global_random", "draws from {found}. Draw from a generator of its own")

    def test_importing_it_starts_no_thread(self) -> None:
        """Nothing runs before it is used."""
        self._require_untouched("threads", "leaves the thread {found} running. Start it in on_train_start")

    def test_importing_it_installs_no_signal_handler(self) -> None:
        """Signals belong to the program."""
        self._require_untouched("signals", "changes the handler of {found}. Leave signals to the program")

    def test_importing_it_changes_no_warning_filter(self) -> None:
        """What a user hears is the user's choice."""
        self._require_untouched(
            "warning_filters",
            "changes the warning filter {found}. Use warnings.catch_warnings() where it is needed",
        )

    def test_importing_it_changes_no_environment_variable(self) -> None:
        """Other libraries of the process read them too."""
        self._require_untouched(
            "environment", "changes the environment variable {found}. Tell users to set it, or set it later"
        )

    def test_importing_it_prints_nothing(self) -> None:
        """The output belongs to the program."""
        printed = self.report().printed.strip()
        require(
            not printed,
            f"Importing {self.subject} prints {printed[:60]!r}. Print in a hook, or not at all.",
        )

    def test_it_works_in_a_spawned_worker(self) -> None:
        """It can be pickled, and is the same thing in a new process."""
        built = self.build()
        try:
            pickle.dumps(built)
        except Exception as error:
            raise AssertionError(
                f"{self.subject} cannot be sent to a worker: {ph.tools.error_text(error)}. Hold no lambdas, "
                "open files or generators; keep its classes at the top of a module."
            ) from error
        problem = self.report().pickle_error
        require(
            not problem,
            f"{self.subject} does not arrive in a worker: {problem}. Keep its classes at the top of a "
            "module, and make what it holds picklable.",
        )

    def _require_untouched(self, what: str, message: str) -> None:
        found = getattr(self.report(), what)
        require(not found, f"Importing {self.subject} {message.format(found=ph.tools.listing(found))}.")

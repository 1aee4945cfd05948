"""A plugin by somebody who knows pluggy and nothing of phantom_core: it imports nothing of ours."""

import pluggy

hookimpl = pluggy.HookimplMarker("phantom_core")

calls = []


class Early:
    @hookimpl(tryfirst=True)
    def on_train_start(self, event):
        calls.append(("Early", type(event).__name__))

    @hookimpl
    def should_stop(self):
        return "one iteration is enough"

    @hookimpl(optionalhook=True)
    def when_moon_rises(self, event):
        raise AssertionError  # a newer core has it


class Late:
    @hookimpl(trylast=True, specname="on_train_start")
    def greet(self, event):
        calls.append(("Late", type(event).__name__))

    @hookimpl
    def on_iteration_end(self):
        calls.append(("Late", None))

    def on_click(self):
        """Be no hook."""


class Mute:
    @hookimpl
    def on_train_start(self):
        calls.append(("Mute", None))


class Unknown:
    @hookimpl
    def when_moon_rises(self, event):
        """Belong to a newer core."""


class Wrapping:
    @hookimpl(wrapper=True)
    def on_train_start(self, event):
        return (yield)


class Renamed:
    @hookimpl
    def on_train_start(self, start):
        """Call it otherwise."""


@hookimpl
def on_train_end(event):
    calls.append(("module", event.status))

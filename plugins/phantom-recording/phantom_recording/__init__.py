"""Episodes on file: written while an env is played, read, shown, and played again."""

from phantom_recording.episode_printer import EpisodePrinter
from phantom_recording.recorded_episodes import (
    RecordedEpisode,
    RecordedMessage,
    RecordedStep,
    read_recording,
)
from phantom_recording.recorder import Recorder
from phantom_recording.replay import replay

__all__ = [
    "EpisodePrinter",
    "RecordedEpisode",
    "RecordedMessage",
    "RecordedStep",
    "Recorder",
    "read_recording",
    "replay",
]

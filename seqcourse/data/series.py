"""Measurements over time."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from seqcourse.data.registry import register


class DailyWeather(NamedTuple):
    """One value a day, D days."""

    dates: list[str]
    """Days as YYYY/MM/DD."""
    rain: Float[np.ndarray, " D"]
    """Precipitation in mm."""
    high: Float[np.ndarray, " D"]
    """Highest temperature in °C."""
    low: Float[np.ndarray, " D"]
    """Lowest temperature in °C."""
    wind: Float[np.ndarray, " D"]
    """Wind speed in m/s."""


@register(
    name="seattle-weather",
    title="Daily weather in Seattle, 2012 to 2015",
    licence="public domain (NOAA); BSD-3-Clause (package)",
    source="US National Oceanic and Atmospheric Administration, in vega_datasets",
    package="vega_datasets",
    files=("vega_datasets/_data/seattle-weather.csv",),
    size=47838,
    sha256="62f0609f787158128aa2bd102967173a4953122dd4f872bf1d502cae1037df0b",
)
def _seattle_weather(files: list[Path]) -> DailyWeather:
    """Return four years of daily weather as `DailyWeather`."""
    with files[0].open(encoding="utf-8", newline="") as file:
        days = list(csv.DictReader(file))
    columns = ("precipitation", "temp_max", "temp_min", "wind")
    values = [np.array([float(day[name]) for day in days]) for name in columns]
    return DailyWeather([day["date"] for day in days], *values)

"""Measurements over time."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from seqcourse.data.registry import register

__all__ = ["DailyWeather", "Panel", "Series"]


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


class Series(NamedTuple):
    """One variable, measured at T evenly spaced times."""

    times: list[str]
    """Years as YYYY, months as YYYY-MM, days as YYYY-MM-DD."""
    values: Float[np.ndarray, " T"]
    """Measurements, NaN where there is none."""
    unit: str
    """What the values are counted in."""
    season: int | None
    """Steps in a year, where the year matters; else None."""


class Panel(NamedTuple):
    """D variables, measured at the same T times."""

    times: list[str]
    """Quarters as YYYYQq, months as YYYY-MM."""
    values: Float[np.ndarray, "T D"]
    """Measurements, NaN where there is none."""
    variables: tuple[str, ...]
    """What each column holds, and its unit."""


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


@register(
    name="sunspots",
    title="Sunspots, 1700 to 2008",
    licence="public domain (NOAA); BSD-3-Clause (package)",
    source="US National Geophysical Data Center, in statsmodels",
    package="statsmodels",
    files=("statsmodels/datasets/sunspots/sunspots.csv",),
    size=2_944,
    sha256="f67889b1d9002cd5227f0e0ef54e35b419cdd85a31279adef6f73fb41e5c0a9b",
)
def _sunspots(files: list[Path]) -> Series:
    """Return the mean number of sunspots by year; a cycle takes about 11 years."""
    rows = _rows(files[0])
    values = np.array([float(row["SUNACTIVITY"]) for row in rows])
    return Series([row["YEAR"] for row in rows], values, "sunspots", None)


@register(
    name="co2",
    title="Carbon dioxide in the air of Mauna Loa, 1958 to 2001",
    licence="public domain (CDIAC); BSD-3-Clause (package)",
    source="Keeling and Whorf (2004), in statsmodels",
    package="statsmodels",
    files=("statsmodels/datasets/co2/co2.csv",),
    size=33_974,
    sha256="16695fa2786e53414e5a6b54767a3fdf5de99cfbc68617f69d1362d92776a92f",
)
def _co2(files: list[Path]) -> Series:
    """Return the concentration of CO2 week by week; some weeks are missing (NaN)."""
    rows = _rows(files[0])
    days = [row["date"] for row in rows]
    values = np.array([float(row["co2"] or "nan") for row in rows])
    return Series([f"{d[:4]}-{d[4:6]}-{d[6:]}" for d in days], values, "ppm", 52)


@register(
    name="elnino",
    title="Temperature of the Pacific off Peru, 1950 to 2010",
    licence="public domain (NOAA); BSD-3-Clause (package)",
    source="US NOAA, ERSST.V3B, region Niño 1+2, in statsmodels",
    package="statsmodels",
    files=("statsmodels/datasets/elnino/elnino.csv",),
    size=5_508,
    sha256="b647be00e0fd264be9764e317e6b963f35030014ecca2b21b204521716e463ad",
)
def _elnino(files: list[Path]) -> Series:
    """Return the temperature of the sea's surface in the region Niño 1+2, by month."""
    times, values = [], []
    for row in _rows(files[0]):
        year, *months = row.values()
        times += [f"{year}-{month:02}" for month in range(1, 13)]
        values += [float(value) for value in months]
    return Series(times, np.array(values), "°C", 12)


@register(
    name="us-macro",
    title="Economic indices of the United States, 1959 to 2009",
    licence="public domain (FRED, BLS); BSD-3-Clause (package)",
    source="Federal Reserve Bank of St. Louis and US BLS, in statsmodels",
    package="statsmodels",
    files=("statsmodels/datasets/macrodata/macrodata.csv",),
    size=17_829,
    sha256="d93c0d3a7a77ef83c3af14e46032bb1d02ae3a512b22ab94159a8ca226fcf708",
)
def _us_macro(files: list[Path]) -> Panel:
    """Return twelve indices by quarter: products, prices, money, interest and more."""
    rows = _rows(files[0])
    values = [[float(value) for value in list(row.values())[2:]] for row in rows]
    variables = (
        "gross domestic product (10⁹ US$ of 2005)",
        "personal consumption (10⁹ US$ of 2005)",
        "private investment (10⁹ US$ of 2005)",
        "government expenditure (10⁹ US$ of 2005)",
        "disposable income (10⁹ US$ of 2005)",
        "consumer price index (1982-84 = 100)",
        "money stock M1 (10⁹ US$)",
        "interest on treasury bills (% a year)",
        "unemployment (%)",
        "population (10⁶)",
        "inflation (% a year)",
        "real interest (% a year)",
    )
    return Panel(
        [f"{r['year']}Q{r['quarter']}" for r in rows], np.array(values), variables
    )


@register(
    name="shares",
    title="Prices of five shares, 2000 to 2010",
    licence="not stated (prices are facts); BSD-3-Clause (package)",
    source="stocks.csv of vega_datasets",
    package="vega_datasets",
    files=("vega_datasets/_data/stocks.csv",),
    size=12_245,
    sha256="f9953ac6693e587476b4ebf2f0b00d9bb95371ca8c39da4cc6155077b3e417cd",
)
def _shares(files: list[Path]) -> Panel:
    """Return the monthly prices of five shares; NaN before Google went public."""
    prices: dict[str, dict[str, float]] = {}
    for row in _rows(files[0]):
        month, _, year = row["date"].split()
        time = f"{year}-{_MONTHS.index(month) + 1:02}"
        prices.setdefault(row["symbol"], {})[time] = float(row["price"])
    times = sorted({time for price in prices.values() for time in price})
    columns = [[price.get(time, np.nan) for time in times] for price in prices.values()]
    return Panel(times, np.array(columns).T, tuple(f"{name} (US$)" for name in prices))


_MONTHS = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)

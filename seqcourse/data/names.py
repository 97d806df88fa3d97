"""First names of many countries."""

from pathlib import Path

from seqcourse.data.labelled import LabelledTexts
from seqcourse.data.registry import register

__all__: list[str] = []  # a data set, and no names of its own

_COUNTRIES = (
    "Great Britain",
    "Ireland",
    "United States",
    "Italy",
    "Malta",
    "Portugal",
    "Spain",
    "France",
    "Belgium",
    "Luxembourg",
    "Netherlands",
    "East Frisia",
    "Germany",
    "Austria",
    "Switzerland",
    "Iceland",
    "Denmark",
    "Norway",
    "Sweden",
    "Finland",
    "Estonia",
    "Latvia",
    "Lithuania",
    "Poland",
    "Czech Republic",
    "Slovakia",
    "Hungary",
    "Romania",
    "Bulgaria",
    "Bosnia and Herzegovina",
    "Croatia",
    "Kosovo",
    "Macedonia",
    "Montenegro",
    "Serbia",
    "Slovenia",
    "Albania",
    "Greece",
    "Russia",
    "Belarus",
    "Moldova",
    "Ukraine",
    "Armenia",
    "Azerbaijan",
    "Georgia",
    "Central Asia",
    "Turkey",
    "Arabia or Persia",
    "Israel",
    "China",
    "India or Sri Lanka",
    "Japan",
    "Korea",
    "Vietnam",
    "elsewhere",
)
_NAME, _FREQUENCIES = slice(3, 29), slice(30, 85)


@register(
    name="first-names",
    title="First names of many countries",
    licence="GFDL-1.2-or-later (list); GPL-3.0 (package)",
    source="Michael (2008), nam_dict.txt, in gender-guesser",
    package="gender-guesser",
    files=("gender_guesser/data/nam_dict.txt",),
    size=4_351_271,
    sha256="bfe79b1f3533d188333c36d7b0722868b873b2d366bb15bed3ed9a4f85db3c8c",
)
def _first_names(files: list[Path]) -> LabelledTexts:
    """Return each name once, with the country where it is most common, if one is."""
    common: dict[str, dict[str, int]] = {}
    for line in files[0].read_text(encoding="utf-8").splitlines():
        if line[0] not in "#=":  # comments, and short forms of names
            name = line[_NAME].strip().replace("+", "-")
            ranks = common.setdefault(name, {})
            for country, digit in zip(_COUNTRIES, line[_FREQUENCIES], strict=True):
                if digit != " ":
                    ranks[country] = max(ranks.get(country, 0), int(digit, 16))
    rows = []
    for name, ranks in common.items():
        best = [c for c, rank in ranks.items() if rank == max(ranks.values())]
        if len(best) == 1:
            rows.append((name, best[0]))
    return LabelledTexts([name for name, _ in rows], [country for _, country in rows])

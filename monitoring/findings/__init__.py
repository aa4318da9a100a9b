"""Columns to causes, sentences and a verdict: what a person reads, made by rules from what was measured.

    wording     how numbers, names and times are written
    visible     names and values from strangers, made safe and short for people
    groups      which columns come from which feature group of the online store
    moved       what moved in one column: missing values, range, unit, level, shares
    query       the DuckDB query that shows the rows
    columns     a column's sentence, condition and query
    stores      stale and silent online stores
    broken      types, missing values, missing and renamed columns, new values
    drifted     columns that moved together, as one cause
    causes      all causes in order of severity; a broken store hides the drift that it causes
    ruled_out   what was checked and is not the cause
    verdict     verdict, lead and action
    answers     the four questions at the top of the report
    conclude    all of the above over one run
    charts      bars and curves from the counts of fine bins
    unusual     how unusual an hour is among ordinary hours
    lasting     verdict and lead of the trend page

Every rule is a pure function of `monitoring.result` types. Sentences mark column names and values with backticks; renderers
turn these into code.
"""

from monitoring.findings.causes import find_causes
from monitoring.findings.conclude import conclude, with_causes
from monitoring.findings.query import QuerySource, captured_rows

__all__ = ["QuerySource", "captured_rows", "conclude", "find_causes", "with_causes"]

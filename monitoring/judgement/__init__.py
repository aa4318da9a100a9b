"""States to a result: everything that is measured about one window, before words are found for it.

`samples` prepares the counts of baseline and window for the drift decision, `summaries` the numbers of a column, `columns` joins
decision, checks and charts in a `ColumnResult`, `judge` does all of it over one window and lets `findings` conclude.
"""

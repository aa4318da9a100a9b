"""Every window judged once: which windows there are, who judges one, and what follows a judgement.

`windows` cuts time into the windows of a schedule. `claims` sees to it that of several monitors one judges a window. `catch_up`
judges every window that its ledgers prove complete and that is not judged yet; `consequences` publishes and raises alarms.

A window's files lie below `runs/{endpoint}/{variant}/yyyy/mm/dd/hh/` (`…/dd/day/` for a daily schedule). `result.json` is
written last, after the alarms: a window that has one is done, whatever crashed before.
"""

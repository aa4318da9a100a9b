"""Distances and the drift decision: pure functions of counts, without files and without clocks.

sample        what the decision needs to know about one column, and about the units of both sides
contrasts     the questions asked of a column: missing values, CDF points, location, scale, shares
scores        contrasts of all shuffles to z scores
tails         shares of the error: each part and each column gets an equal one
permutation   shuffled units, baseline and window: p-values over all columns together
one_sample    the same p-values where the baseline is a table without units
detectable    the smallest change that a window could have shown
size          how large a change is: L-infinity and the shift in the value's own measure
explain       which part of a column moved, in words
decision      `decide`: real, large, or not judged
calendar      `decide_by_time`: is this hour or day unlike ordinary hours and days?
budget        the false alarms of a month, shared between hours, days and a running sum
plan          what an hour, a day or a week of this traffic would show
units         blocks of the baseline that match the window's
distances     Deequ's distances, PSI, Jensen-Shannon, Wasserstein
rules         Model Monitor's rule: a distance over a threshold
"""

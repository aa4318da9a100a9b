"""Model quality: ground truth joined with captured predictions, metrics with intervals, concept drift.

    problem          the kinds of problems and the columns that a run reads
    offsets          Model Monitor's time offsets
    objects          label files and other inputs, in a directory or in S3
    set_aside        what could not be used: counted by reason, with examples
    label_lines      one line of Model Monitor's ground truth to labels
    label_tables     Parquet and CSV labels, and the common form of all labels
    ground_truth     a prefix of label files to one Parquet file
    unit_hash        event ids to 64-bit units
    predictions      captured data to one Parquet file
    join             labels to predictions: Ibis, on DuckDB or Spark
    state            labelled rows of an hour, mergeable
    units, metric    additive sums of each unit, and what a metric makes of them
    regression, binary, multiclass, ranking, calibration   the metrics
    measurement      all metrics of a problem
    bootstrap        95 % intervals over units
    comparison       the window's metrics against the baseline's
    maturity         open, provisional, final
    statistics_file, constraints_file   Model Monitor's files
    baseline         the quality that training had
    design, reweighting, concept, max_test   whether P(y|x) changed, or the inputs moved, or both
    split, segments  what each explains of a metric's change; where quality fell
    explanation      one of four cases, and what to do
    result, causes, text   the typed result, its causes, the terminal
    run              one window from start to end

Labels name events by inference id or event id. Units (requests, hours or days) are what the bootstrap draws and what the
tests take as exchangeable. Only `run`, `objects`, `ground_truth`, `predictions`, `join` and `baseline` do input
and output; the others are functions of their arguments.
"""

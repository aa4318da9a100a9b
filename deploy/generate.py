"""Writes what follows from the metric table: dashboards for Grafana and CloudWatch, Prometheus rules, and docs/metrics.md.

    python deploy/generate.py

A test runs `files()` and compares it with what is committed. The Grafana dashboard is built with Grafana's own typed library.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml
from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from monitoring.publish.cloudwatch import DATA_NAMESPACE, QUALITY_NAMESPACE  # noqa: E402
from monitoring.publish.table import COMMON_LABELS, LABELS, TABLE, MetricLevel, metric  # noqa: E402

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
SELECTOR = '{endpoint="$endpoint", variant="$variant"}'
SILENT_SECONDS = 2 * 3600
COLUMNS = 24


def files() -> dict[str, str]:
    """Returns the generated files by their path in the repository."""
    return {
        "deploy/grafana/endpoint-monitor.json": grafana(),
        "deploy/cloudwatch/dashboard.json": cloudwatch(),
        "deploy/prometheus/endpoint-monitor.rules.yml": rules(),
        "docs/metrics.md": document(),
    }


def grafana() -> str:
    """Returns Grafana's dashboard: the last run, then drift, completeness, stores and quality over time."""
    last_run, judged = metric("last_run").prometheus, metric("judged").prometheus
    made = (
        dashboard.Dashboard("Endpoint monitor")
        .uid("endpoint-monitor")
        .tags(["endpoint-monitor"])
        .refresh("5m")
        .time("now-7d", "now")
        .timezone("utc")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_variable("endpoint", f"label_values({last_run}, endpoint)"))
        .with_variable(_variable("variant", f'label_values({last_run}{{endpoint="$endpoint"}}, variant)'))
        .with_panel(_stat("Since the last run", f"time() - max({last_run}{SELECTOR})", "s"))
        .with_panel(_stat("Window judged", f"min({judged}{SELECTOR})", "none"))
        .with_panel(_stat("Urgent causes", f"sum({metric('urgent_causes').prometheus}{SELECTOR})", "none"))
        .with_panel(_stat("Features drifted", f"sum({metric('drifted').prometheus}{SELECTOR})", "none"))
        .with_panel(_graph("Drift by feature", "drift", "percentunit"))
        .with_panel(_graph("Completeness by feature", "completeness", "percentunit"))
        .with_panel(_graph("Requests in a window", "events", "none"))
        .with_panel(_graph("Records found, of those proved", "complete", "percentunit"))
        .with_panel(_graph("Age of a feature group's records", "store_age", "s"))
        .with_panel(_graph("Requests that lack an id, by feature group", "store_missing", "percentunit"))
        .with_panel(_graph("Model quality, final windows", "quality", "none"))
    )
    built = json.loads(JSONEncoder(sort_keys=True, indent=1).encode(made.build()))
    return json.dumps(built, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _variable(name: str, query: str) -> Any:
    return dashboard.QueryVariable(name).label(name.capitalize()).datasource(DATASOURCE).query(query)


def _stat(title: str, expression: str, unit: str) -> Any:
    target = prometheus.Dataquery().expr(expression).instant()
    return stat.Panel().title(title).datasource(DATASOURCE).unit(unit).height(4).span(COLUMNS // 4).with_target(target)


def _graph(title: str, key: str, unit: str) -> Any:
    spec = metric(key)
    label = LABELS[spec.level]
    legend = f"{{{{{label}}}}}" if label else "{{monitor}}"
    target = prometheus.Dataquery().expr(f"{spec.prometheus}{SELECTOR}").legend_format(legend)
    panel = timeseries.Panel().title(title).description(spec.help).datasource(DATASOURCE)
    return panel.unit(unit).min(0).height(8).span(COLUMNS // 2).with_target(target)


def cloudwatch() -> str:
    """Returns CloudWatch's dashboard. `${EndpointName}`, `${MonitorName}` and `${AWS::Region}` are CloudFormation's to fill in."""
    dimensions = "Endpoint,MonitoringSchedule"
    where = 'Endpoint="${EndpointName}" MonitoringSchedule="${MonitorName}"'

    def search(key: str, statistic: str, namespace: str = DATA_NAMESPACE) -> list[list[Any]]:
        prefix = metric(key).cloudwatch.replace("{name}", "")
        named = f' MetricName="{prefix}"' if prefix else ""
        text = f"SEARCH('{{{namespace},{dimensions}}} {where}{named}', '{statistic}', 3600)"
        return [[{"expression": text, "id": key, "label": ""}]]

    def one(key: str, statistic: str) -> list[list[Any]]:
        name = metric(key).cloudwatch
        return [
            [
                DATA_NAMESPACE,
                name,
                "Endpoint",
                "${EndpointName}",
                "MonitoringSchedule",
                "${MonitorName}",
                {"stat": statistic},
            ]
        ]

    widgets = [
        ("Runs", one("heartbeat", "Sum")),
        ("Urgent causes", one("urgent_causes", "Maximum")),
        ("Features drifted", one("drifted", "Maximum")),
        ("Requests in a window", one("events", "Sum")),
        ("Drift by feature", search("drift", "Maximum")),
        ("Completeness by feature", search("completeness", "Minimum")),
        ("Age of a feature group's records", search("store_age", "Maximum")),
        ("Model quality, final windows", search("quality", "Average", QUALITY_NAMESPACE)),
    ]
    body = {
        "widgets": [
            {
                "type": "metric",
                "x": 12 * (number % 2),
                "y": 6 * (number // 2),
                "width": 12,
                "height": 6,
                "properties": {
                    "title": title,
                    "region": "${AWS::Region}",
                    "view": "timeSeries",
                    "period": 3600,
                    "metrics": metrics,
                },
            }
            for number, (title, metrics) in enumerate(widgets)
        ]
    }
    return json.dumps(body, indent=1) + "\n"


def rules() -> str:
    """Returns Prometheus' alert rules. An alert on age, not on absence: a Pushgateway never forgets a series."""
    last_run = metric("last_run").prometheus
    labels = {"severity": "page"}
    found = [
        _rule(
            "EndpointMonitorSilent",
            f"time() - {last_run} > {SILENT_SECONDS}",
            labels,
            "The monitor {{ $labels.monitor }} of {{ $labels.endpoint }}/{{ $labels.variant }} did not run for 2 hours",
            "Look at the log of the last job and at the schedule. Start one run by hand with --catch-up.",
        ),
        _rule(
            "EndpointMonitorUrgentCause",
            f"{metric('urgent_causes').prometheus} > 0",
            labels,
            "{{ $labels.endpoint }}/{{ $labels.variant }}: {{ $value }} causes ask for a page",
            "Open the report of the last run. It says what to do tonight.",
        ),
        _rule(
            "EndpointMonitorNotJudged",
            f"{metric('judged').prometheus} == 0",
            {"severity": "message"},
            "{{ $labels.endpoint }}/{{ $labels.variant }}: the last window could not be judged",
            "Look at the completeness in the report: data is missing, or not proved.",
        ),
    ]
    text = yaml.safe_dump({"groups": [{"name": "endpoint-monitor", "rules": found}]}, sort_keys=False, width=110)
    return "# Generated by deploy/generate.py from the metric table.\n" + text


def _rule(name: str, expression: str, labels: dict[str, str], summary: str, todo: str) -> dict[str, Any]:
    return {
        "alert": name,
        "expr": expression,
        "for": "5m",
        "labels": dict(labels),
        "annotations": {"summary": summary, "description": todo},
    }


def document() -> str:
    """Returns docs/metrics.md."""
    lines = [
        "# Metrics of the monitor",
        "",
        "Generated by `deploy/generate.py` from `monitoring/publish/table.py`. `--publish` takes `cloudwatch`, `emf`, "
        "`prometheus`, `pushgateway` and `otlp`; the table `[publish]` of monitor.toml takes the same names and their addresses.",
        "",
        f"CloudWatch: namespace `{DATA_NAMESPACE}`, for model quality `{QUALITY_NAMESPACE}`; dimensions `Endpoint` and "
        "`MonitoringSchedule`. A name that does not fit, or that is not ASCII, ends with `~` and a digest. Metrics of a window "
        "bear the end of the window and are left out where it is over 3 hours old, because CloudWatch shows them only hours "
        "later; `old_windows = true` publishes them. Metrics of the run bear the time of the run.",
        "",
        f"Prometheus and OpenTelemetry: labels {', '.join(f'`{label}`' for label in COMMON_LABELS)} and the one in the table.",
        "",
        "| CloudWatch | Prometheus, OpenTelemetry | label | unit | meaning |",
        "| --- | --- | --- | --- | --- |",
    ]
    for level in MetricLevel:
        lines += [
            f"| `{spec.cloudwatch}` | `{spec.prometheus}` | {LABELS[level] and f'`{LABELS[level]}`'} | {spec.unit} | {spec.help} |"
            for spec in TABLE
            if spec.level is level
        ]
    lines += [
        "",
        "## Dashboards and rules",
        "",
        "- Grafana: import [endpoint-monitor.json](../deploy/grafana/endpoint-monitor.json) and choose the Prometheus data source.",
        "- CloudWatch: [dashboard.json](../deploy/cloudwatch/dashboard.json), part of the CloudFormation template.",
        "- Prometheus: [endpoint-monitor.rules.yml](../deploy/prometheus/endpoint-monitor.rules.yml). The alert on a silent monitor "
        "compares the time of the last run: a Pushgateway keeps a series for ever.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Writes the files."""
    for name, text in files().items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(name)


if __name__ == "__main__":
    main()

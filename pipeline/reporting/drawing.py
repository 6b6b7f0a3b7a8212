"""Describe any chart in Vega-Lite, once for the page and for the files."""

from pipeline.reporting.charts import BarChart, Chart, HeatMap, LineChart, Parallel
from pipeline.reporting.heat_views import heat_view, parallel_view
from pipeline.reporting.series_views import LINE_HEIGHT, bar_view, line_view
from pipeline.reporting.vega import Spec, framed, sized


def to_spec(chart: Chart) -> Spec:
    """Return a complete Vega-Lite description of ``chart``."""
    match chart:
        case LineChart():
            return framed(sized(line_view(chart), LINE_HEIGHT))
        case BarChart():
            return framed(bar_view(chart))
        case HeatMap():
            return framed(heat_view(chart))
        case _:
            assert isinstance(chart, Parallel)
            return framed(sized(parallel_view(chart), LINE_HEIGHT))

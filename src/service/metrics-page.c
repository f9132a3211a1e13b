#include "service/metrics-page.h"

void eg_metrics_page_begin(EgMetricsPage *page, const char *name, const char *type,
                           const char *help)
{
    g_string_append_printf(page->text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void eg_metrics_page_put(EgMetricsPage *page, const char *name, const char *labels, double value)
{
    char number[G_ASCII_DTOSTR_BUF_SIZE];
    g_ascii_dtostr(number, sizeof(number), value);
    g_string_append_printf(page->text, "%s{%s%s%s} %s\n", name, page->labels,
                           labels != NULL ? "," : "", labels != NULL ? labels : "", number);
}

static void put_bucket(EgMetricsPage *page, const char *name, const char *labels, const char *bound,
                       guint64 count)
{
    g_autofree char *all = g_strdup_printf("%s%sle=\"%s\"", labels != NULL ? labels : "",
                                           labels != NULL ? "," : "", bound);
    eg_metrics_page_put(page, name, all, (double)count);
}

/* Each bucket counts what is in those below it, too. */
void eg_metrics_page_put_histogram(EgMetricsPage *page, const char *name, const char *labels,
                                   const EgHistogram *histogram)
{
    g_autofree char *bucket = g_strconcat(name, "_bucket", NULL);
    g_autofree char *sum = g_strconcat(name, "_sum", NULL);
    g_autofree char *count = g_strconcat(name, "_count", NULL);
    guint64 n_below = 0;
    for (guint i = 0; i < histogram->n_bounds; i++) {
        char bound[G_ASCII_DTOSTR_BUF_SIZE];
        g_ascii_dtostr(bound, sizeof(bound), histogram->bounds[i]);
        n_below += histogram->counts[i];
        put_bucket(page, bucket, labels, bound, n_below);
    }
    put_bucket(page, bucket, labels, "+Inf", histogram->n_values);
    eg_metrics_page_put(page, sum, labels, histogram->sum);
    eg_metrics_page_put(page, count, labels, (double)histogram->n_values);
}

void eg_metrics_page_put_gauge(EgMetricsPage *page, const char *name, const char *help,
                               double value)
{
    eg_metrics_page_begin(page, name, "gauge", help);
    eg_metrics_page_put(page, name, NULL, value);
}

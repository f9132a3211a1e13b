#include "storage/xml.h"

#include <string.h>

static char *find(const char *text, const char *path)
{
    g_autoptr(GBytes) body = g_bytes_new(text, strlen(text));
    return eg_xml_find(body, path);
}

static void test_texts(void)
{
    static const struct {
        const char *text;
        const char *path;
        const char *found;
    } cases[] = {
        {"<Error><Code>NoSuchKey</Code></Error>",                                                     "Error/Code", "NoSuchKey"   },
        {"\xef\xbb\xbf<?xml version=\"1.0\"?>\n<Error><Code>A</Code><Message>b\nc</Message></Error>",
         "Error/Message",                                                                                           "b\nc"        },
        {"<s:A xmlns:s=\"urn:x\"><s:B>\n  1 \n</s:B></s:A>",                                          "A/B",        "1"           },
        {"<A><B>&quot;e&quot; &amp; &#x41;<![CDATA[<f>]]></B></A>",                                   "A/B",        "\"e\" & A<f>"},
        {"<A><B>first</B><B>second</B></A>",                                                          "A/B",        "first"       },
        {"<A><B/></A>",                                                                               "A/B",        ""            },
        {"<A><X><B>deep</B></X><B>flat</B></A>",                                                      "A/B",        "flat"        },
        {"<A><B>one<C>two</C>three</B></A>",                                                          "A/B",        "onethree"    },
        {"<A><B>1</B></A>",                                                                           "A/C",        NULL          },
        {"<A><B>1</B></A>",                                                                           "B",          NULL          },
        {"<A><B>1</B>",                                                                               "A/B",        NULL          },
        {"<A><B>1",                                                                                   "A/B",        NULL          },
        {"<A><B>\xff</B></A>",                                                                        "A/B",        NULL          },
        {"{\"A\": 1}",                                                                                "A",          NULL          },
        {"\xef\xbb\xbf",                                                                              "A",          NULL          },
        {"",                                                                                          "A",          NULL          },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *found = find(cases[i].text, cases[i].path);
        g_assert_cmpstr(found, ==, cases[i].found);
    }
    g_assert_null(eg_xml_find(NULL, "A"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/storage/xml/texts", test_texts);
    return g_test_run();
}

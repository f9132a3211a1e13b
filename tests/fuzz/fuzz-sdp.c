/* Session descriptions: whatever the offer, the answer has its m-lines, and nothing of ours in the
 * wrong place. */
#include "room/sdp.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static guint count_media(const char *sdp)
{
    guint n = 0;
    for (const char *at = strstr(sdp, "\r\nm="); at != NULL; at = strstr(at + 2, "\r\nm="))
        n++;
    return n;
}

static void check_answer(const EgSdpOffer *offer, const char *answer)
{
    g_assert_true(g_utf8_validate(answer, -1, NULL));
    g_assert_true(g_str_has_suffix(answer, "\r\n"));
    g_assert_cmpuint(count_media(answer), ==, offer->media->len);
    for (const char *at = answer; *at != '\0'; at++)
        g_assert_cmpint(*at == '\n', ==, at > answer && at[-1] == '\r');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const EgSdpLocal local = {
        .ufrag = "us", .password = "ourpassword", .fingerprint_sha256 = "AA:BB:CC"};
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(EgSdpOffer) offer = eg_sdp_offer_parse(text, &error);
    g_assert_cmpint(offer == NULL, ==, error != NULL);
    if (offer == NULL)
        return 0;
    g_autofree char *answer = eg_sdp_answer_format(offer, &local);
    check_answer(offer, answer);
    return 0;
}

#include "service/fork-message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for one descriptor, aligned as the kernel wants it (cmsg(3)). */
typedef union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
} Control;

bool eg_fork_message_send(int fd, const EgForkMessage *message, int passed_fd)
{
    struct iovec part = {.iov_base = (gpointer)message, .iov_len = sizeof(*message)};
    Control control = {0};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (passed_fd >= 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(rights), &passed_fd, sizeof(int));
    }
    ssize_t n;
    do
        n = sendmsg(fd, &header, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(*message);
}

bool eg_fork_message_receive(int fd, EgForkMessage *message, int *passed_fd)
{
    struct iovec part = {.iov_base = message, .iov_len = sizeof(*message)};
    Control control = {0};
    struct msghdr header = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    *passed_fd = -1;
    ssize_t n;
    /* When the other side dies with something unread, that is told once, before what it has said.
     */
    do
        n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
    while (n < 0 && (errno == EINTR || errno == ECONNRESET));
    if (n != (ssize_t)sizeof(*message))
        return false;
    const struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    if (rights != NULL && rights->cmsg_type == SCM_RIGHTS)
        memcpy(passed_fd, CMSG_DATA(rights), sizeof(int));
    message->egress_id[EG_FORK_ID_MAX_LENGTH] = '\0';
    return true;
}

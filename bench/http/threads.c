/* A server with a thread for each connection. */
#define _GNU_SOURCE /* accept4 */
#include "../subject.h"
#include "answer.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_ROOM = 4096 };

static bool send_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t count = send(fd, bytes, size, MSG_NOSIGNAL);
        if (count < 0)
            return false;
        bytes += count;
        size -= (size_t)count;
    }
    return true;
}

static void *connection(void *argument)
{
    char buffer[REQUEST_ROOM];
    struct requests requests = {0};
    int fd = (int)(intptr_t)argument;
    bool good = true;

    while (good) {
        ssize_t count = recv(fd, buffer, sizeof buffer, 0);
        good = count > 0;
        unsigned due = good ? requests_in(&requests, buffer, (size_t)count) : 0;
        while (good && due-- > 0)
            good = send_all(fd, answer(), answer_size());
    }
    close(fd);
    return NULL;
}

static void http(struct work *work)
{
    pthread_attr_t detached;

    (void)work;
    server_begin();
    int listener = server_listen(0);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    server_announce(server_port(listener));
    for (;;) {
        pthread_t thread;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        must(fd < 0 ? -errno : 0, "accept");
        must(pthread_create(&thread, &detached, connection, (void *)(intptr_t)fd), "pthread_create");
    }
}

int main(int argc, char **argv)
{
    static const struct workload workloads[] = {{"http", http}, {NULL, NULL}};
    return subject_main(argc, argv, workloads);
}

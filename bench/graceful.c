/* A container's only process: waits for TERM, then takes as many milliseconds to end as /delay says at that moment. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int number;
    sigwait(&signals, &number);

    char text[16] = {0};
    int file = open("/delay", O_RDONLY);
    if (file >= 0 && read(file, text, sizeof text - 1) > 0) {
        long milliseconds = atol(text);
        struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000};
        nanosleep(&pause, NULL);
    }
    return 0;
}

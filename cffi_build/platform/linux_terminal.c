/* linux_terminal.c: a terminal without echo, and its return on every path.
 *
 * While it is begun, each signal whose default action would end or stop the
 * process has a handler here, which gives the terminal back and then lets the
 * default action happen.  Signals that the program handles or ignores are left
 * alone.  After a stop the echo is found to be on, and stopped again by
 * sm_os_terminal_renew.  What no program can handle, SIGKILL and _exit, leaves
 * the terminal as it is.
 *
 * Sources: termios(3), signal-safety(7) (tcsetattr, tcgetpgrp and sigaction may be
 * called in a handler), signal(7) for the default actions.
 */
#include "os_doors.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <termios.h>
#include <unistd.h>

#define SIGNALS 65

static struct {
    atomic_flag taken;
    volatile sig_atomic_t begun;
    int file;
    pid_t owner; /* a forked child has the handlers, and not the terminal */
    struct termios before, without_echo;
    bool replaced[SIGNALS];
} terminal = {.taken = ATOMIC_FLAG_INIT};

int sm_os_terminal_open(int *out) {
    int file = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (file < 0) return sm_os_note("open(/dev/tty)", errno, 0);
    *out = file;
    return 0;
}

bool sm_os_is_terminal(int file) {
    return isatty(file) == 1;
}

static bool is_in_foreground(void) {
    pid_t group = tcgetpgrp(terminal.file);
    return group < 0 || group == getpgrp(); /* not our controlling terminal: no job control there */
}

static int set(const struct termios *settings) {
    while (tcsetattr(terminal.file, TCSADRAIN, settings) != 0) {
        if (errno != EINTR) return sm_os_note("tcsetattr", errno, 0);
    }
    return 0;
}

/* -- signals -- */

static void give_back_and_default(int number) {
    int error = errno;
    if (terminal.begun && terminal.owner == getpid() && is_in_foreground()) {
        tcsetattr(terminal.file, TCSANOW, &terminal.before);
    }
    struct sigaction standard = {.sa_handler = SIG_DFL}, ours;
    sigset_t one, old;
    sigemptyset(&one);
    sigaddset(&one, number);
    sigaction(number, &standard, &ours);
    raise(number);
    pthread_sigmask(SIG_UNBLOCK, &one, &old); /* it ends or stops here */
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    sigaction(number, &ours, NULL); /* continued after a stop */
    errno = error;
}

static bool is_harmless(int number) {
    return number == SIGCHLD || number == SIGCONT || number == SIGURG || number == SIGWINCH;
}

static void replace_handlers(void) {
    struct sigaction mine = {.sa_handler = give_back_and_default, .sa_flags = SA_ONSTACK}, old;
    sigfillset(&mine.sa_mask);
    for (int number = 1; number < SIGNALS; number++) {
        terminal.replaced[number] = !is_harmless(number) && sigaction(number, NULL, &old) == 0 &&
                                    (old.sa_flags & SA_SIGINFO) == 0 && old.sa_handler == SIG_DFL &&
                                    sigaction(number, &mine, NULL) == 0;
    }
}

static void restore_handlers(void) {
    struct sigaction standard = {.sa_handler = SIG_DFL}, now;
    for (int number = 1; number < SIGNALS; number++) {
        if (!terminal.replaced[number] || sigaction(number, NULL, &now) != 0) continue;
        if ((now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == give_back_and_default) {
            sigaction(number, &standard, NULL); /* unless the program set its own meanwhile */
        }
    }
}

/* -- the terminal -- */

static uint8_t key(int index) {
    cc_t value = terminal.before.c_cc[index];
    return value == _POSIX_VDISABLE ? 0 : value;
}

int sm_os_terminal_begin(struct sm_keys *out, int file) {
    if (atomic_flag_test_and_set(&terminal.taken)) return sm_os_note("prompting", EBUSY, 0);
    terminal.file = file;
    terminal.owner = getpid();
    int error = 0;
    struct termios now;
    if (tcgetattr(file, &terminal.before) != 0) error = sm_os_note("tcgetattr", errno, 0);
    if (error == 0) {
        terminal.without_echo = terminal.before;
        terminal.without_echo.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN);
        terminal.without_echo.c_cc[VMIN] = 1;
        terminal.without_echo.c_cc[VTIME] = 0;
        replace_handlers();
        terminal.begun = 1;
        error = set(&terminal.without_echo);
    }
    /* tcsetattr succeeds too when it set a part only */
    if (error == 0 && tcgetattr(file, &now) != 0) error = sm_os_note("tcgetattr", errno, 0);
    if (error == 0 && (now.c_lflag & (ECHO | ICANON)) != 0) error = sm_os_note("tcsetattr", EIO, 0);
    if (error != 0) {
        (void)sm_os_terminal_end();
        return error;
    }
    *out = (struct sm_keys){.erase = key(VERASE), .kill = key(VKILL), .erase_word = key(VWERASE), .end = key(VEOF)};
    return 0;
}

int sm_os_terminal_renew(bool *out) {
    struct termios now;
    *out = false;
    if (!is_in_foreground()) return 0;
    if (tcgetattr(terminal.file, &now) != 0) return sm_os_note("tcgetattr", errno, 0);
    if ((now.c_lflag & (ECHO | ICANON)) == 0) return 0;
    *out = true;
    return set(&terminal.without_echo);
}

int sm_os_terminal_end(void) {
    int error = 0;
    if (terminal.begun && terminal.owner == getpid()) {
        if (is_in_foreground()) error = set(&terminal.before);
        terminal.begun = 0;
        restore_handlers();
    }
    atomic_flag_clear(&terminal.taken);
    return error;
}

/* For a program that ends while another thread still prompts. */
__attribute__((destructor)) static void give_back_at_exit(void) {
    if (terminal.begun) (void)sm_os_terminal_end();
}

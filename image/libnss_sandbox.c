/* Lambda's names for its own loopback, for programs that ask the C library: `sandbox` and `sandbox.localdomain`.
 *
 * On AWS they stand in /etc/hosts. In a container that file is the engine's, and not writable for the image's user.
 * /etc/nsswitch.conf asks this module after that file: `hosts: files sandbox [NOTFOUND=return] dns`.
 *
 * The addresses are IPv4's alone, as Lambda's loopback. A question for another family ends here as "no such data", and
 * does not go on to a name server; a name that is not ours is "unavailable" here, so that the others are asked.
 *
 * https://sourceware.org/glibc/manual/latest/html_node/NSS-Module-Function-Internals.html
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <nss.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

static const char *const NAMES[] = {"sandbox.localdomain", "sandbox"};

/* All that an answer points to; it is laid out in the caller's buffer, for nothing is allocated here. */
struct answer {
    char *addresses[2];
    char *aliases[1];
    struct in_addr address;
    char name[sizeof "sandbox.localdomain"];
};

static const char *ours(const char *name)
{
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strcasecmp(name, NAMES[i]) == 0)
            return NAMES[i];
    return NULL;
}

enum nss_status _nss_sandbox_gethostbyname2_r(const char *asked, int family, struct hostent *host, char *buffer,
                                              size_t size, int *error, int *host_error)
{
    const char *name = ours(asked);
    if (name == NULL) {
        *error = ENOENT;
        *host_error = HOST_NOT_FOUND;
        return NSS_STATUS_UNAVAIL;
    }
    if (family != AF_INET) {
        *error = ENOENT;
        *host_error = NO_DATA;
        return NSS_STATUS_NOTFOUND;
    }
    size_t skipped = -(uintptr_t)buffer % alignof(struct answer);
    if (size < skipped + sizeof(struct answer)) {
        *error = ERANGE; /* asks for a larger buffer */
        *host_error = NETDB_INTERNAL;
        return NSS_STATUS_TRYAGAIN;
    }
    struct answer *answer = (struct answer *)(buffer + skipped);
    answer->address.s_addr = htonl(INADDR_LOOPBACK);
    answer->addresses[0] = (char *)&answer->address;
    answer->addresses[1] = NULL;
    answer->aliases[0] = NULL;
    strcpy(answer->name, name);
    *host = (struct hostent){.h_name = answer->name,
                             .h_aliases = answer->aliases,
                             .h_addrtype = AF_INET,
                             .h_length = sizeof answer->address,
                             .h_addr_list = answer->addresses};
    return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_sandbox_gethostbyname_r(const char *asked, struct hostent *host, char *buffer, size_t size,
                                             int *error, int *host_error)
{
    return _nss_sandbox_gethostbyname2_r(asked, AF_INET, host, buffer, size, error, host_error);
}

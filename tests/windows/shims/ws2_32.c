/* Wine 8 does not know by which socket another program's provider stands behind one; none does in wine. For tests alone. */
#include <winsock2.h>
#include <mswsock.h>

typedef int WSAAPI Ioctl(SOCKET, DWORD, void *, DWORD, void *, DWORD, DWORD *, WSAOVERLAPPED *,
                        LPWSAOVERLAPPED_COMPLETION_ROUTINE);

int WSAAPI shim_WSAIoctl(SOCKET socket, DWORD code, void *in, DWORD in_size, void *out, DWORD out_size, DWORD *returned,
                         WSAOVERLAPPED *overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE completion)
{
    Ioctl *real;

    switch (code) {
    case SIO_BSP_HANDLE:
    case SIO_BSP_HANDLE_SELECT:
    case SIO_BSP_HANDLE_POLL:
    case SIO_BASE_HANDLE:
        *(SOCKET *)out = socket;
        *returned = sizeof socket;
        return 0;
    }
    real = (Ioctl *)GetProcAddress(LoadLibraryA("own_ws2_32.dll"), "WSAIoctl");
    return real(socket, code, in, in_size, out, out_size, returned, overlapped, completion);
}

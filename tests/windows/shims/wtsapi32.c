/* Wine 8 has no rights of the person who is signed in to give away: a service gets its own. And a program that a service
 * starts for the desktop that people see gets the service's own desktop for all its threads but the first, unless there
 * are handles to inherit of that desktop. For tests alone.
 */
#include <windows.h>

BOOL WINAPI shim_WTSQueryUserToken(ULONG session, HANDLE *token)
{
    HANDLE own;
    BOOL is_made;

    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ALL_ACCESS, &own)) return FALSE;
    is_made = DuplicateTokenEx(own, MAXIMUM_ALLOWED, NULL, SecurityImpersonation, TokenPrimary, token);
    CloseHandle(own);
    return is_made && SetTokenInformation(*token, TokenSessionId, &session, sizeof session);
}

BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, LPVOID reserved)
{
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    HWINSTA own, seen;

    if (reason == DLL_PROCESS_ATTACH) {
        own = GetProcessWindowStation();
        seen = CreateWindowStationW(L"WinSta0", 0, WINSTA_ALL_ACCESS, &inherited);
        SetProcessWindowStation(seen);
        CreateDesktopW(L"Default", NULL, NULL, 0, GENERIC_ALL, &inherited);
        SetProcessWindowStation(own);
    }
    return TRUE;
}

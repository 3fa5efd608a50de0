/* An IFileOperation for wine, which has none: "deletes" by moving to C:\recycled what its listener lets it.
 *
 * It does what Windows' own does with a single item: asks the listener with flags that say whether the item would go
 * into the bin (not if its name begins with "large"), and tells what it was told. For tests alone.
 */
#define COBJMACROS
#define INITGUID
#include <windows.h>
#include <shobjidl.h>
#include <shlwapi.h>

typedef struct {
    IFileOperation base;
    LONG count;
    DWORD flags;
    IFileOperationProgressSink *listener;
    IShellItem *item;
    BOOL aborted;
} Operation;

static HRESULT STDMETHODCALLTYPE query(IFileOperation *self, REFIID wanted, void **found) {
    if (!IsEqualIID(wanted, &IID_IFileOperation) && !IsEqualIID(wanted, &IID_IUnknown)) return E_NOINTERFACE;
    IFileOperation_AddRef(self);
    *found = self;
    return S_OK;
}
static ULONG STDMETHODCALLTYPE add_ref(IFileOperation *self) { return InterlockedIncrement(&((Operation *)self)->count); }
static ULONG STDMETHODCALLTYPE release(IFileOperation *self) {
    Operation *it = (Operation *)self;
    LONG left = InterlockedDecrement(&it->count);
    if (!left) {
        if (it->listener) IFileOperationProgressSink_Release(it->listener);
        if (it->item) IShellItem_Release(it->item);
        CoTaskMemFree(it);
    }
    return left;
}
static HRESULT STDMETHODCALLTYPE advise(IFileOperation *self, IFileOperationProgressSink *sink, DWORD *cookie) {
    void *same;
    HRESULT code = IFileOperationProgressSink_QueryInterface(sink, &IID_IFileOperationProgressSink, &same);
    if (FAILED(code)) return code;
    ((Operation *)self)->listener = same;
    *cookie = 7;
    return S_OK;
}
static HRESULT STDMETHODCALLTYPE set_flags(IFileOperation *self, DWORD flags) {
    ((Operation *)self)->flags = flags;
    return S_OK;
}
static HRESULT STDMETHODCALLTYPE delete_item(IFileOperation *self, IShellItem *item, IFileOperationProgressSink *own) {
    if (own) return E_INVALIDARG;
    IShellItem_AddRef(item);
    ((Operation *)self)->item = item;
    return S_OK;
}
static HRESULT STDMETHODCALLTYPE perform(IFileOperation *self) {
    Operation *it = (Operation *)self;
    WCHAR *path, target[MAX_PATH] = L"C:\\recycled\\";
    DWORD flags = 0;
    HRESULT code;
    if (!it->item || !it->listener || !(it->flags & 0x00080000)) return E_UNEXPECTED;
    if (FAILED(code = IShellItem_GetDisplayName(it->item, SIGDN_FILESYSPATH, &path))) return code;
    if (wcsncmp(PathFindFileNameW(path), L"large", 5)) flags |= 0x80;
    IFileOperationProgressSink_StartOperations(it->listener);
    IFileOperationProgressSink_UpdateProgress(it->listener, 1, 0);
    code = IFileOperationProgressSink_PreDeleteItem(it->listener, flags, it->item);
    if (SUCCEEDED(code)) {
        CreateDirectoryW(L"C:\\recycled", NULL);
        lstrcatW(target, PathFindFileNameW(path));
        code = MoveFileW(path, target) ? S_OK : HRESULT_FROM_WIN32(GetLastError());
        IFileOperationProgressSink_PostDeleteItem(it->listener, flags, it->item, code, NULL);
    } else {
        it->aborted = TRUE;
    }
    IFileOperationProgressSink_FinishOperations(it->listener, code);
    CoTaskMemFree(path);
    return code;
}
static HRESULT STDMETHODCALLTYPE any_aborted(IFileOperation *self, BOOL *aborted) {
    *aborted = ((Operation *)self)->aborted;
    return S_OK;
}

static IFileOperationVtbl table = {
    .QueryInterface = query, .AddRef = add_ref, .Release = release, .Advise = advise, .SetOperationFlags = set_flags,
    .DeleteItem = delete_item, .PerformOperations = perform, .GetAnyOperationsAborted = any_aborted,
};

static HRESULT STDMETHODCALLTYPE factory_query(IClassFactory *self, REFIID wanted, void **found) {
    *found = self;
    return S_OK;
}
static ULONG STDMETHODCALLTYPE factory_count(IClassFactory *self) { return 1; }
static HRESULT STDMETHODCALLTYPE make(IClassFactory *self, IUnknown *outer, REFIID wanted, void **found) {
    Operation *it = CoTaskMemAlloc(sizeof *it);
    ZeroMemory(it, sizeof *it);
    it->base.lpVtbl = &table;
    HRESULT code = query(&it->base, wanted, found);
    if (FAILED(code)) CoTaskMemFree(it);
    return code;
}
static HRESULT STDMETHODCALLTYPE lock(IClassFactory *self, BOOL is_locked) { return S_OK; }
static IClassFactoryVtbl factory_table = {factory_query, factory_count, factory_count, make, lock};
static IClassFactory factory = {&factory_table};

__declspec(dllexport) HRESULT WINAPI DllGetClassObject(REFCLSID class, REFIID wanted, void **found) {
    return factory_query(&factory, wanted, found);
}
__declspec(dllexport) HRESULT WINAPI DllCanUnloadNow(void) { return S_FALSE; }

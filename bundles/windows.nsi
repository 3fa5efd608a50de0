; One file that unpacks a Python and the host into a folder of its own, runs it, and takes the folder away; and first
; those that earlier starts left, which were killed.
; Defined by windows.py: OUT (the file), FILES (a script that unpacks everything, in an order that does not depend on
; the file system).
Unicode true
Target amd64-unicode
Name "Remote support"
OutFile "${OUT}"
RequestExecutionLevel admin
SilentInstall silent
CRCCheck force
SetCompressor /SOLID lzma
SetCompressorDictSize 32
SetDateSave off
SetDatablockOptimize on

!include FileFunc.nsh

Section
  InitPluginsDir
  FindFirst $0 $1 "$TEMP\ns*.tmp"
  another:
    StrCmp $1 "" no_more
    IfFileExists "$TEMP\$1\host\app\start.py" 0 next
    ; A folder that something runs from, or is being unpacked into, cannot be renamed.
    ClearErrors
    Rename "$TEMP\$1\host" "$TEMP\$1\left"
    IfErrors next
    RMDir /r "$TEMP\$1"
  next:
    FindNext $0 $1
    Goto another
  no_more:
  FindClose $0
  !include "${FILES}"
  ${GetParameters} $R0
  SetOutPath "$TEMP"
  ExecWait '"$PLUGINSDIR\host\python\pythonw.exe" -B -X utf8 "$PLUGINSDIR\host\app\start.py" --self "$EXEPATH" $R0' $R1
  RMDir /r "$PLUGINSDIR\host"
  SetErrorLevel $R1
SectionEnd

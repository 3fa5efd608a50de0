; One file that unpacks a Python and the host into a folder of its own, runs it, and takes the folder away.
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
  !include "${FILES}"
  ${GetParameters} $R0
  SetOutPath "$TEMP"
  ExecWait '"$PLUGINSDIR\host\python\pythonw.exe" -B -X utf8 "$PLUGINSDIR\host\app\start.py" --self "$EXEPATH" $R0' $R1
  RMDir /r "$PLUGINSDIR\host"
  SetErrorLevel $R1
SectionEnd

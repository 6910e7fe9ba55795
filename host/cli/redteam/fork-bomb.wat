;; Starts itself again and again, and so does each that was started.
(component
  (import "catena:plugin/process@0.1.0" (instance $process
    (type $c (record (field "program" string) (field "arguments" (list string))
      (field "environment" (list (tuple string string))) (field "directory" string)
      (field "stdin" (list u8)) (field "timeout-ms" (option u64))))
    (export "command" (type $command (eq $c)))
    (type $f (record (field "status" s32) (field "stdout" (list u8)) (field "stderr" (list u8))
      (field "omitted-bytes" u64)))
    (export "finished" (type $finished (eq $f)))
    (type $p (record (field "stdout" (list u8)) (field "stderr" (list u8))))
    (export "partial-output" (type $partial (eq $p)))
    (type $e (variant (case "not-granted" string) (case "unknown-program" string)
      (case "timed-out" $partial) (case "limit-reached" string) (case "other" string)))
    (export "process-error" (type $error (eq $e)))
    (export "run" (func (param "command" $command) (result (result $finished (error $error)))))))
  (core module $memory
    (memory (export "memory") 256)
    (data (i32.const 64) "redteam")
    ;; Every answer is written over the one before.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0x800000)))
  (core instance $memory (instantiate $memory))
  (core func $start (canon lower (func $process "run")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core module $m
    (import "memory" "memory" (memory 1))
    (import "host" "start" (func $start
      (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32)))
    (func (export "run") (result i32) (local $n i32)
      (loop $again
        (call $start (i32.const 64) (i32.const 7) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0)
          (i32.const 1024))
        (br $again))
      (i32.const 0)))
  (core instance $i (instantiate $m
    (with "memory" (instance $memory))
    (with "host" (instance (export "start" (func $start))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $cli (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $cli)))

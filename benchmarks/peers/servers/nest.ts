// NestJS on Fastify with class-validator, as its documentation shows it. Answers aren't validated.
// oxlint-disable-next-line import/no-unassigned-import -- NestJS expects this import
import "reflect-metadata";
import { Body, Controller, HttpCode, Module, Post, ValidationPipe } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { FastifyAdapter } from "@nestjs/platform-fastify";
import { IsBoolean, IsIn, IsInt, IsNumber, IsString, Length, Max, Min } from "class-validator";
import { paint, PORT } from "./work.ts";

class Prompt {
  @IsString() @Length(1, 1000) prompt!: string;
  @IsInt() @Min(1) @Max(100) steps: number = 25;
  @IsInt() seed!: number;
  @IsNumber() @Min(0) @Max(20) guidance!: number;
  @IsIn(["png", "jpeg"]) format!: string;
  @IsBoolean() safe!: boolean;
}
@Controller()
class Painter {
  @Post() @HttpCode(200) paint(
    @Body(new ValidationPipe({ transform: true, expectedType: Prompt })) body: Prompt,
  ): object {
    return paint(body);
  }
}
@Module({ controllers: [Painter] })
// oxlint-disable-next-line typescript/no-extraneous-class -- a module of NestJS is a decorated class
class Main {}
const app = await NestFactory.create(Main, new FastifyAdapter(), { logger: false });
await app.listen(PORT, "127.0.0.1");
